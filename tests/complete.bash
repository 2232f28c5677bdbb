# complete.bash SCRIPT: of each line on standard input, "graphrun dot --format ", the words that SCRIPT offers behind it.
. "$1"
while IFS= read -r line; do
    read -ra COMP_WORDS <<<"$line"
    [[ $line == *' ' ]] && COMP_WORDS+=('')
    COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
    _graphrun
    printf '%s\t' "$line"
    printf '%s ' "${COMPREPLY[@]}"
    echo
done
