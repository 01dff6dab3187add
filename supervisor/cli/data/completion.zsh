# The table's rows are: VERB . OPERANDS HELP, and VERB OPTION VALUE HELP.

_warder_jails() {
	local -a jails
	jails=(${(f)"$(_call_program jails $warder ps --json 2>/dev/null |
		sed -n 's/^{"name":"\([^"]*\)".*/\1/p')"})
	compadd -a jails
}

# The keys that the option's own help shows.
_warder_keys() {
	local -a keys
	keys=(${${(M)${=limits}:#*=*}%%=*})
	compadd -S = -a keys
}

# A verb with verbs and options of its own, which says itself what they are;
# then files, of which $2 is the pattern.
_warder_verbs() {
	local -a found
	if (( CURRENT == 2 )); then
		found=(${(f)"$(_call_program verbs $warder $1 --help |
			sed -n 's/^  \([a-z][a-z-]*\) */\1:/p')"})
		_describe verb found
	elif [[ $PREFIX == -* ]]; then
		found=(${(f)"$(_call_program options $warder $1 $words[2] \
			--help | sed -n 's/^  *\(--[a-z-]*\) */\1:/p')"})
		_describe option found
	elif [[ $words[CURRENT-1] == --live ]] ||
		[[ $words[2] == reload && $words[CURRENT-1] != --policy ]]; then
		_warder_jails
	else
		_files -g "$2"
	fi
}

_warder() {
	local warder=${~words[1]} verb=${words[2]-} operand=- limits= line help
	local message action
	local -a verbs specs row
	specs=('(- *)--help[tell more]')
	for line in ${(f)_warder_table}; do
		row=(${=line})
		help=${(j: :)row[4,-1]}
		help=${${${help//\\/\\\\}//\[/\\[}//\]/\\]}
		[[ $row[2] == . ]] && verbs+=("$row[1]:$help")
		[[ $row[1] == $verb ]] || continue
		message=${row[3]//:/\\:}
		case $row[2]/$row[3] in
		./*) operand=$row[3]; continue ;;
		--policy/*) action='_files -g "*.(yaml|yml|json)"' ;;
		*/FILE|*/DIR|*/PATH*) action=_files ;;
		*/K\[=V\]) action='_parameters -g "*export*"' ;;
		*/K=V) action=_warder_keys; limits=$help ;;
		*) action=' ' ;;
		esac
		if [[ $row[3] == - ]]; then
			specs+=("*$row[2][$help]")
		else
			specs+=("*$row[2]=[$help]:$message:$action")
		fi
	done
	if (( CURRENT == 2 )); then
		verbs+=('--help:tell more' '--version:print the version')
		_describe verb verbs
		return
	fi
	case $operand in
	COMMAND) specs+=('(-):command:_command_names -e' '*::argument:_normal') ;;
	JAIL,COMMAND) specs+=('(-):jail:_warder_jails'
		':command:_command_names -e' '*::argument:_normal') ;;
	JAILS) specs+=('*:jail:_warder_jails') ;;
	SHELL) specs+=(':shell:(bash zsh)') ;;
	esac
	shift words
	(( CURRENT-- ))
	if [[ $operand == POLICY ]]; then
		_warder_verbs $verb '*.(yaml|yml|json)'
	elif [[ $operand == VERBS ]]; then
		_warder_verbs $verb '*'
	else
		_arguments -s -S : $specs
	fi
}

if [[ $funcstack[1] == _warder ]]; then
	_warder "$@"
else
	compdef _warder warder
fi
