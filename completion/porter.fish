# Completion of porter(1) for fish: options and their values; forwards and profiles of the
# configuration that would be used; contexts of the kubeconfig.  Nothing is asked but files.

# WANT FILE: its forwards or profiles, one a line.
function __porter_configured
    test -f "$argv[2]" -a -r "$argv[2]"; and LC_ALL=C awk -v want="$argv[1]" '
		NR == 1 { sub(/^\357\273\277/, "") }
		{ gsub(/[\t\r]/, " "); sub(/^ +/, ""); sub(/ ;.*/, ""); sub(/ +$/, "") }
		want == "forwards" && sub(/^\[ *forward +/, "") { sub(/ *\].*/, ""); print }
		want == "profiles" && sub(/^profile *[=:] */, "") {
			n = split($0, word, / *, */)
			for (i = 1; i <= n; i++)
				if (!seen[word[i]]++)
					print word[i]
		}' "$argv[2]"
end

# FILE: the contexts of a kubeconfig in the form that kubectl writes, one a line.
function __porter_contexts
    test -f "$argv[1]" -a -r "$argv[1]"; and LC_ALL=C awk '
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
		}' "$argv[1]"
end

# NAME: the value that this option has on the line so far; fails where it has none.
function __porter_value_of
    set -l words (commandline -opc)
    for i in (seq (count $words) -1 2)
        if string match -qr -- "^--?$argv[1]\$" $words[(math $i - 1)]
            set found $words[$i]
        else
            set found (string replace -fr -- "^--?$argv[1]=" '' $words[$i]); or continue
        end
        string replace -r '^~/' "$HOME/" -- $found
        return 0
    end
    return 1
end

# WANT
function __porter_from_configuration
    set -l file (__porter_value_of config; or string match -v '' -- $PORTER_CONFIG; or echo porter.ini)
    __porter_configured $argv[1] $file
end

function __porter_profiles
    set -l before (commandline -ct | string replace -r '^-[^=]*=' '' | string match -r '^.*,')
    __porter_from_configuration profiles | string replace -r '^' -- "$before"
end

function __porter_kubeconfig_contexts
    set -l files (__porter_value_of kubeconfig; or string split -n : -- $KUBECONFIG; or echo $HOME/.kube/config)
    for file in $files
        __porter_contexts $file
    end
end

function __porter_words
    __porter_from_configuration forwards
    printf '%s\n' svc/ pod/ deploy/ sts/ ds/
end

function __porter_is_behind_dashes
    contains -- -- (commandline -opc)
end

function __porter_command
    set -l words (commandline -opc)
    set -l behind (contains -i -- -- $words)
    complete -C (string join ' ' -- (string escape -- $words[(math $behind + 1)..]) (commandline -ct))
end

complete -c porter -f
complete -c porter -n __porter_is_behind_dashes -a '(__porter_command)'
complete -c porter -n 'not __porter_is_behind_dashes' -a '(__porter_words)'
complete -c porter -o config -l config -rF -d 'configuration file (default: porter.ini)'
complete -c porter -o profile -l profile -xa '(__porter_profiles)' -d 'only forwards with one of these profiles ("dev,db")'
complete -c porter -o verbose -l verbose -d 'log debug lines too, one for each local connection'
complete -c porter -o log -l log -rF -d 'log file (default: porter.log; "": stderr)'
complete -c porter -o log-format -l log-format -xa 'text json' -d 'text (key=value, the default) or json'
complete -c porter -o headless -l headless -d 'no screen: a line for each change; no end with the terminal'
complete -c porter -o ascii -l ascii -d 'a screen of words and plain lines, also where there is UTF-8'
complete -c porter -o check -l check -d 'ask each cluster what would become of each forward, and exit'
complete -c porter -o wait -l wait -x -d 'exit unless every forward is Active by then ("20s"; 0: no limit)'
complete -c porter -o detach -l detach -d 'go to the background once every forward is Active (30s, or -wait)'
complete -c porter -o watch -l watch -d 'read the configuration again when its file changes'
complete -c porter -o on-conflict -l on-conflict -xa 'takeover fail' -d 'ports of a running porter: takeover, or fail (so with COMMAND)'
complete -c porter -o status -l status -d 'print the state of the porters of yours that run, and exit'
complete -c porter -o json -l json -d '-status as JSON, a line for each porter'
complete -c porter -o stop -l stop -d 'end the running porter'
complete -c porter -o reconnect -l reconnect -xa '(__porter_from_configuration forwards)' -d 'have the running porter connect a forward anew'
complete -c porter -o disable -l disable -xa '(__porter_from_configuration forwards)' -d 'have it stop a forward, and free its port'
complete -c porter -o enable -l enable -xa '(__porter_from_configuration forwards)' -d 'have it start that forward again'
complete -c porter -o pid -l pid -xa '(pgrep -x -u (id -u) porter 2>/dev/null)' -d 'of several that run, which one is asked (or by -config FILE)'
complete -c porter -o context -l context -xa '(__porter_kubeconfig_contexts)' -d 'without a file: the kubeconfig\'s context'
complete -c porter -o n -l n -x -d 'without a file: instead of the context\'s namespace'
complete -c porter -o namespace -l namespace -x -d 'the same'
complete -c porter -o kubeconfig -l kubeconfig -rF -d 'without a file: instead of $KUBECONFIG or ~/.kube/config'
complete -c porter -o version -l version -d 'print the version and exit'
complete -c porter -o help -l help -d 'print this and exit'
