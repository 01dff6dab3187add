# The table's rows are: VERB . OPERANDS HELP, and VERB OPTION VALUE HELP.

_warder_self()
{
	"${COMP_WORDS[0]/#\~/$HOME}" "$@" 2>/dev/null
}

_warder_words()
{
	mapfile -t COMPREPLY < <(compgen -W "$1" -- "$cur")
}

# Files whose names end so, and directories to look into.
_warder_files()
{
	compopt -o filenames 2>/dev/null
	mapfile -t COMPREPLY < <({
		compgen -f -- "$cur" | grep -E "$1"
		compgen -d -- "$cur"
	} | sort -u)
}

_warder_jails()
{
	_warder_words "$(_warder_self ps --json |
		sed -n 's/^{"name":"\([^"]*\)".*/\1/p')"
}

# The keys that the option's own help shows.
_warder_keys()
{
	local word keys=

	for word in $1; do
		[[ $word == *=* ]] && keys+=" ${word%%=*}="
	done
	compopt -o nospace 2>/dev/null
	_warder_words "$keys"
}

_warder_value()
{
	case $1/$2 in
	--policy/*) _warder_files '\.(yaml|yml|json)$' ;;
	*/FILE | */DIR | */PATH*) _warder_files '' ;;
	*/'K[=V]') mapfile -t COMPREPLY < <(compgen -e -- "$cur") ;;
	*/K=V) _warder_keys "$3" ;;
	esac
}

# A command after $1 operands.
_warder_command()
{
	if ((operands == $1)); then
		compopt -o filenames 2>/dev/null
		mapfile -t COMPREPLY < <(compgen -c -- "$cur")
	else
		_warder_files ''
	fi
}

# A verb with verbs and options of its own, which says itself what they are;
# files whose names end as $2 says.
_warder_verbs()
{
	if ((COMP_CWORD == 2)); then
		_warder_words "--help $(_warder_self "$1" --help |
			sed -n 's/^  \([a-z][a-z-]*\) .*/\1/p')"
	elif [[ $cur == -* ]]; then
		_warder_words "--help $(_warder_self "$1" "${COMP_WORDS[2]}" \
			--help | sed -n 's/^  *\(--[a-z-]*\).*/\1/p')"
	elif [[ ${COMP_WORDS[COMP_CWORD - 1]} == --live ]] ||
		[[ ${COMP_WORDS[2]} == reload &&
			${COMP_WORDS[COMP_CWORD - 1]} != --policy ]]; then
		_warder_jails
	else
		_warder_files "$2"
	fi
}

_warder_operand()
{
	case $1 in
	COMMAND) _warder_command 0 ;;
	JAIL,COMMAND)
		if ((operands > 0)); then
			_warder_command 1
		else
			_warder_jails
		fi
		;;
	JAILS) _warder_jails ;;
	SHELL) ((operands > 0)) || _warder_words 'bash zsh' ;;
	esac
}

_warder()
{
	local cur=${COMP_WORDS[COMP_CWORD]} verb=${COMP_WORDS[1]-}
	local v name value help i word takes=- option='' dashes=0 operands=0
	local operand=- verbs='--help --version' options=--help
	local -A values=() helps=()

	COMPREPLY=()
	while read -r v name value help; do
		[[ $name == . ]] && verbs+=" $v"
		[[ -n $v && $v == "$verb" ]] || continue
		if [[ $name == . ]]; then
			operand=$value
		else
			options+=" $name" values[$name]=$value
			helps[$name]=$help
		fi
	done <<<"$_warder_table"
	if ((COMP_CWORD == 1)); then
		_warder_words "$verbs"
		return
	fi
	# --option=VALUE comes as three words
	for ((i = 2; i < COMP_CWORD; i++)); do
		word=${COMP_WORDS[i]}
		if [[ $takes != - ]]; then
			[[ $word == '=' ]] || takes=-
		elif [[ $word == -- ]]; then
			dashes=1
		elif [[ $dashes$operands == 00 && $word == -* ]]; then
			takes=${values[$word]:--} option=$word
		else
			operands=$((operands + 1))
		fi
	done
	[[ $cur == '=' ]] && cur=
	if [[ $takes != - ]]; then
		_warder_value "$option" "$takes" "${helps[$option]-}"
	elif [[ $operand == POLICY ]]; then
		_warder_verbs "$verb" '\.(yaml|yml|json)$'
	elif [[ $operand == VERBS ]]; then
		_warder_verbs "$verb" ''
	elif [[ $dashes$operands == 00 && $cur == -* ]]; then
		_warder_words "$options"
	else
		_warder_operand "$operand"
	fi
}

complete -F _warder warder
