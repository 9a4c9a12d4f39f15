# porter's build.  Flavours have folders of their own under build/:
#
#   make                    ./porter, static (musl); with symbols: build/static/porter
#   make STATIC= CC=clang   the same, dynamic, by any compiler
#   make deps               installs what is needed here (Debian); TEST_DEPS= leaves out the tests'
#   make test               unit tests, fuzzers' corpora and tests of the program, also against stand-ins
#                           for clusters, under ASan and UBSan
#   make test-cluster       the tests that need a real API server (PORTER=build/asan/porter)
#   make soak               SOAK random faults from SEED under load, and memory compared
#   make asan fuzz lint format bench install uninstall clean

# The layers.  A file includes headers of its own layer and lower ones only: tests/lint.py reads
# this table, and a unit test is linked with no more than its module may use.
L0 = base64 buf cells duration err exit file gobuild hash keypress log mem nearest problems \
	random text timestamp widths words
L1 = child command detach filewatch holder ipc loop notify out peer tcptable term ulimit wake
L2 = connect http inifile instance json names noproxy screen sections socks spdy value ws yaml \
	yaml_scalar
L3 = conn der dial pem pki proxy relay route tls x509
L4 = api channel credential entry exec_credential k8s kubeconfig kubefiles kubeuser plugin pod tunnel upgrade watch
L5 = adhoc check client config conflict forward health history keys listener manager pick pool \
	probe takeover
L6 = added ask board control details logpane options page porter prompt rates ready report \
	status table tui view
LAYERS = 0 1 2 3 4 5 6

BUILD_DEPS = gcc libc6-dev make musl-tools libbearssl-dev libinih-dev
TEST_DEPS = clang libclang-rt-14-dev clang-format clang-tidy libcmocka-dev zlib1g-dev \
	python3-pytest python3-pytest-xdist python3-pytest-timeout python3-pytest-rerunfailures \
	python3-yaml python3-hypothesis python3-cryptography openssl etcd-server curl netcat-openbsd \
	iproute2 tmux python3-jsonschema python3-pyte nginx-light \
	mawk gawk busybox original-awk zsh fish bash-completion mandoc \
	tinyproxy microsocks openssh-client openssh-server

export PYTHONDONTWRITEBYTECODE = 1
PREFIX = /usr/local
# What is installed, and where below PREFIX.
INSTALLED = porter:bin/porter yaml2ini:bin/yaml2ini porter.1:share/man/man1/porter.1 \
	porter.ini.example:share/doc/porter/porter.ini.example \
	status.schema.json:share/doc/porter/status.schema.json \
	porter.service:share/systemd/user/porter.service \
	completion/porter.bash:share/bash-completion/completions/porter \
	completion/_porter:share/zsh/site-functions/_porter \
	completion/porter.fish:share/fish/vendor_completions.d/porter.fish

FUZZ_SECONDS = 60
SOAK = 2000
SEED =
PYTHON = /usr/bin/python3
SUDO = $(if $(filter-out 0,$(shell id -u)),sudo)

STATIC ?= $(if $(filter default,$(origin CC)),yes,$(findstring musl,$(CC)))
FLAVOUR ?= $(if $(STATIC),static,dynamic)
CC_static = musl-gcc
CC_fuzz = clang
ifeq ($(origin CC),default)
CC := $(or $(CC_$(FLAVOUR)),gcc)
endif
B = build/$(FLAVOUR)$(if $(findstring clang,$(CC)),-clang)

# Plain `make` does not stop at what a newer compiler warns of: lint and test set WERROR.
WERROR =
WARN = -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wmissing-prototypes $(WERROR)
CFLAGS ?= -O2 -g
SANITIZE = -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer
FLAGS_static = -isystem build/include -fPIE
FLAGS_dynamic = -D_FORTIFY_SOURCE=2 -fPIE
FLAGS_asan = $(SANITIZE)
FLAGS_fuzz = $(SANITIZE) -fsanitize=fuzzer-no-link
FLAGS = -std=c11 -D_GNU_SOURCE -I. $(WARN) -fstack-protector-strong $(FLAGS_$(FLAVOUR)) $(CFLAGS)

# A static program at a random address: musl-gcc has no such mode (its -static-pie is dynamic), so
# the start files are named here.  Libraries are named by full path, and headers linked into
# build/include: -L or -I to Debian's folders would bring in glibc.
MULTIARCH = $(shell gcc -print-multiarch)
MUSL = /usr/lib/$(subst -gnu,-musl,$(MULTIARCH))
START_static = -nostartfiles $(MUSL)/rcrt1.o $(MUSL)/crti.o $(shell $(CC) -print-file-name=crtbeginS.o)
END_static = $(shell $(CC) -print-file-name=crtendS.o) $(MUSL)/crtn.o
LINK_static = -static -Wl,-pie,--no-dynamic-linker,-z,text,-z,relro,-z,now
LINK_dynamic = -pie -Wl,-z,relro,-z,now
LIBS_static = $(patsubst %,/usr/lib/$(MULTIARCH)/lib%.a,bearssl inih)
LIBS = $(or $(LIBS_$(FLAVOUR)),-lbearssl -linih)
DRIVER_asan = $(B)/replay.o
DRIVER_fuzz = -fsanitize=fuzzer

objects = $(patsubst %.c,$(B)/%.o,$(wildcard $(1:%=%.c)))
OBJECTS = $(call objects,$(foreach n,$(LAYERS),$(L$n)) $(if $(filter static,$(FLAVOUR)),musl))
UNITS = $(patsubst tests/unit/%.c,$(B)/%,$(wildcard tests/unit/test_*.c))
FUZZERS = $(patsubst tests/fuzz/%.c,$(B)/%,$(wildcard tests/fuzz/fuzz_*.c))
C_FILES = $(wildcard *.[ch] tests/*/*.[ch])
PYTESTS = tests/yaml tests/kubeconfig tests/yaml2ini tests/widths tests/completion tests/documents
PYTEST = $(PYTHON) -m pytest -q -p no:cacheprovider --timeout=300
# Tests of the program wait more than they compute: four at a time, however few the cores.  One that
# fails is run once more, and tests/run names it; func_only: the limit is that of each try.
WAITING = $(PYTEST) -n 4 --reruns 1 -r fER -o timeout_func_only=true

all: $(B)/porter
	strip -o porter $<

$(B)/porter: $(OBJECTS)
	$(CC) $(FLAGS) $(LINK_$(FLAVOUR)) $(LDFLAGS) -o $@ $(START_$(FLAVOUR)) $^ $(LIBS) $(END_$(FLAVOUR))

vpath %.c tests/unit tests/fuzz
$(B)/%.o: %.c Makefile | $(B) build/include
	$(CC) $(FLAGS) -MMD -MP -c -o $@ $<
$(FUZZERS:=.o): WARN += -Wno-missing-prototypes

# layerN.a has the objects of one layer; programs name theirs and the lower ones, in this order, so
# that a call upwards is an undefined symbol.
$(foreach n,$(LAYERS),$(eval $(B)/layer$n.a: $(call objects,$(L$n)))\
	$(eval BELOW := $(B)/layer$n.a $(BELOW))\
	$(foreach m,$(L$n),$(eval $(B)/test_$m $(B)/fuzz_$m: $(BELOW))))
$(B)/layer%.a: Makefile
	rm -f $@ && $(AR) rcs $@ $(filter %.o,$^)
$(B)/test_%: $(B)/test_%.o
	$(CC) $(FLAGS) $(LDFLAGS) -o $@ $(filter %.o %.a,$^) $(LIBS) -lcmocka -lz
$(B)/fuzz_%: $(B)/fuzz_%.o $(filter %.o,$(DRIVER_$(FLAVOUR)))
	$(CC) $(FLAGS) $(LDFLAGS) -o $@ $< $(DRIVER_$(FLAVOUR)) $(filter %.a,$^) $(LIBS)

$(B):
	mkdir -p $@
build/include:
	mkdir -p $@
	ln -sfnt $@ /usr/include/bearssl /usr/include/bearssl.h /usr/include/ini.h \
		/usr/include/linux /usr/include/asm-generic /usr/include/$(MULTIARCH)/asm
-include $(wildcard $(B)/*.d)

asan:
	$(MAKE) FLAVOUR=asan build/asan/porter
test:
	$(MAKE) FLAVOUR=asan WERROR=-Werror run-tests
run-tests: $(B)/porter $(UNITS) $(FUZZERS)
	PORTER=$(B)/porter tests/run $(UNITS) \
		$(foreach f,$(FUZZERS),'$f tests/fuzz/corpus/$(f:$(B)/fuzz_%=%)') \
		'$(PYTEST) -n auto $(PYTESTS)' \
		'$(WAITING) tests/e2e tests/standin tests/screen' \
		'$(PYTHON) tests/standin/up $(WAITING) -m "not real" tests/cluster' \
		'tests/run "$(PYTHON) tests/standin/soak 100 1" "$(PYTHON) tests/standin/soak 100 2"'
soak: all
	PORTER=$(or $(PORTER),porter) $(PYTHON) tests/standin/soak $(SOAK) $(SEED)
test-cluster: all
	PORTER=$(or $(PORTER),porter) PYTHON=$(PYTHON) tests/cluster/run
screenshot: all
	PORTER=$(or $(PORTER),porter) $(PYTHON) tests/screen/shot docs/screen.png
bench: all
	PORTER=$(or $(PORTER),porter) $(PYTHON) tests/bench/run $(BENCH)
fuzz:
	$(MAKE) FLAVOUR=fuzz run-fuzz
run-fuzz: $(FUZZERS)
	for x in $(patsubst $(B)/fuzz_%,%,$(FUZZERS)); do mkdir -p build/corpus/$$x && \
		$(B)/fuzz_$$x -max_total_time=$(FUZZ_SECONDS) -timeout=10 -artifact_prefix=build/ \
			build/corpus/$$x tests/fuzz/corpus/$$x || exit 1; done

lint:
	$(PYTHON) tests/lint.py
	@clang-format --dry-run -Werror $(C_FILES)
	$(MAKE) WERROR=-Werror objects
	$(MAKE) STATIC= WERROR=-Werror CC=gcc objects
	$(MAKE) STATIC= WERROR=-Werror CC=clang objects
	printf '%s\n' *.c | xargs -P $$(nproc) -I{} clang-tidy --quiet {} -- $(FLAGS) 2>/dev/null
format:
	@clang-format -i $(C_FILES)
objects: $(OBJECTS) $(if $(STATIC),,$(UNITS:=.o) $(FUZZERS:=.o))

deps:
	@missing=; for p in $(BUILD_DEPS) $(TEST_DEPS); do \
		dpkg-query -W -f '$${db:Status-Status}\n' $$p 2>/dev/null | grep -qx installed || \
			missing="$$missing $$p"; done; \
	[ -z "$$missing" ] || { echo "missing:$$missing" && $(SUDO) apt-get update && \
		$(SUDO) apt-get install -y --no-install-recommends $$missing; }
install: all
	for f in $(INSTALLED); do \
		case $$f in *:bin/*) mode=755 ;; *) mode=644 ;; esac; \
		install -D -m $$mode $${f%:*} $(DESTDIR)$(PREFIX)/$${f#*:} || exit 1; done
	sed -i 's,%h/\.local,$(PREFIX),' $(DESTDIR)$(PREFIX)/share/systemd/user/porter.service
uninstall:
	for f in $(INSTALLED); do rm -f $(DESTDIR)$(PREFIX)/$${f#*:} || exit 1; done
clean:
	rm -rf build porter

.PHONY: all asan test run-tests soak test-cluster screenshot bench fuzz run-fuzz lint format objects deps install uninstall clean
.SECONDARY:
.DELETE_ON_ERROR:
