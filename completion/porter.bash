# Completion of porter(1) for bash: options and their values; forwards and profiles of the
# configuration that would be used; contexts of the kubeconfig.  Nothing is asked but files.
#
# Words are cut at blanks here: bash cuts at ':', '=' and '@', too, which contexts have.

# With '=' those that take a value.
_porter_options=(
	-config= -profile= -verbose -log= -log-format= -headless -ascii -check -wait= -detach
	-watch -on-conflict= -status -json -stop -reconnect= -disable= -enable= -pid= -context= -n=
	-namespace= -kubeconfig= -version -help
)

# WANT FILE: its forwards or profiles, one a line.
_porter_configured() {
	[[ -f $2 && -r $2 ]] && LC_ALL=C awk -v want="$1" '
		NR == 1 { sub(/^\357\273\277/, "") }
		{ gsub(/[\t\r]/, " "); sub(/^ +/, ""); sub(/ ;.*/, ""); sub(/ +$/, "") }
		want == "forwards" && sub(/^\[ *forward +/, "") { sub(/ *\].*/, ""); print }
		want == "profiles" && sub(/^profile *[=:] */, "") {
			n = split($0, word, / *, */)
			for (i = 1; i <= n; i++)
				if (!seen[word[i]]++)
					print word[i]
		}' "$2"
}

# FILE: the contexts of a kubeconfig in the form that kubectl writes, one a line.
_porter_contexts() {
	[[ -f $1 && -r $1 ]] && LC_ALL=C awk '
		{ sub(/\r$/, "") }
		/^[^ #-]/ { inside = /^contexts:/; key = 0; next }
		!inside || /^ *(#|$)/ { next }
		/^ *- / { sub(/-/, " ") }
		{ column = match($0, /[^ ]/) }
		!key { key = column }
		column == key && sub(/^ *name: */, "") {
			if (!/^["\047]/)
				sub(/ #.*/, "")
			gsub(/^["\047]|["\047] *$/, "")
			print
		}' "$1"
}

# NAME: the value that this option has on the line so far; fails where it has none.
_porter_value_of() {
	local i found=
	for ((i = 1; i < ${#words[@]} - 1; i++)); do
		case ${words[i]} in
		-"$1" | --"$1") found=${words[i + 1]} ;;
		-"$1"=* | --"$1"=*) found=${words[i]#*=} ;;
		esac
	done
	found=${found//[\"\']/}
	[[ $found ]] && printf '%s\n' "${found/#\~\//$HOME/}"
}

_porter_from_configuration() {
	_porter_configured "$1" "$(_porter_value_of config || printf %s "${PORTER_CONFIG:-porter.ini}")"
}

_porter_from_kubeconfigs() {
	local file files
	IFS=: read -r -a files <<<"${KUBECONFIG:-$HOME/.kube/config}"
	file=$(_porter_value_of kubeconfig) && files=("$file")
	for file in "${files[@]}"; do
		_porter_contexts "$file"
	done
}

# OPTION: what its value may be, or each part of it, one a line.
_porter_values() {
	case $1 in
	log-format) printf '%s\n' text json ;;
	on-conflict) printf '%s\n' takeover fail ;;
	profile) _porter_from_configuration profiles ;;
	reconnect | disable | enable) _porter_from_configuration forwards ;;
	context) _porter_from_kubeconfigs ;;
	pid) pgrep -x -u "$UID" porter 2>/dev/null ;;
	esac
}

# BEFORE: lines of stdin that go on as the word does behind that; as readline takes them, which
# is without what stands up to the last character that it cuts at, but with an '@'.
_porter_offer() {
	local before=$1 typed=${cur#"$1"} breaks=${COMP_WORDBREAKS//[^:=@]/} kept= line
	[[ $breaks ]] && kept=${cur%"${cur##*["$breaks"]}"}
	while IFS= read -r line; do
		[[ $line == "$typed"* ]] || continue
		printf -v line %q "$line"
		line=$before$line
		COMPREPLY+=("${line#"${kept%@}"}")
	done
}

# OPTION BEFORE
_porter_offer_values() {
	local value=${cur#"$2"}
	case $1 in
	config | log | kubeconfig)
		compopt -o filenames
		mapfile -t COMPREPLY < <(compgen -f -- "${value/#\~\//$HOME/}")
		;;
	*) _porter_offer "$2${value%"${value##*,}"}" < <(_porter_values "$1") ;;
	esac
}

_porter_offer_words() {
	_porter_offer '' < <(printf '%s\n' svc/ pod/ deploy/ sts/ ds/)
	((${#COMPREPLY[@]})) && compopt -o nospace
	_porter_offer '' < <(_porter_from_configuration forwards)
}

# INDEX: where the command behind "--" begins in COMP_WORDS.
_porter_offer_command() {
	if declare -F _command_offset >/dev/null; then
		_command_offset "$1"
	elif ((COMP_CWORD == $1)); then
		mapfile -t COMPREPLY < <(compgen -c -- "${COMP_WORDS[COMP_CWORD]}")
	else
		compopt -o default
	fi
}

_porter() {
	local words cur prev name dashes i
	COMPREPLY=()
	for ((i = 1; i < COMP_CWORD; i++)); do
		[[ ${COMP_WORDS[i]} == -- ]] && _porter_offer_command $((i + 1)) && return
	done
	# shellcheck disable=SC2162 # a backslash is the shell's
	IFS=$' \t\n' read -a words <<<"${COMP_LINE:0:COMP_POINT}"
	[[ ${COMP_LINE:0:COMP_POINT} == *[[:blank:]] ]] && words+=("")
	cur=${words[-1]} prev=${words[-2]} dashes=${words[-1]%%[!-]*}
	name=${prev#"${prev%%[!-]*}"}
	if [[ $cur == -*=* ]]; then
		name=${cur%%=*}
		_porter_offer_values "${name#"$dashes"}" "${cur%%=*}="
	elif [[ $prev == -* && " ${_porter_options[*]} " == *" -$name= "* ]]; then
		_porter_offer_values "$name" ''
	elif [[ $dashes ]]; then
		_porter_offer '' < <(printf '%s\n' "${_porter_options[@]%=}" | sed "s/^-/${dashes:0:2}/")
	else
		_porter_offer_words
	fi
}

complete -F _porter porter
