# complete.zsh FOLDER: the same as complete.bash, by the function _graphrun of FOLDER, in a zsh on a terminal of its own.
# What it offers is what it hands to compadd while a key is pressed.
zmodload zsh/zpty
zpty -b shell zsh -fi
zpty -w shell "PS1=; unsetopt beep zle_bracketed_paste; fpath=(${(q)1} \$fpath); autoload -U compinit; compinit -u -D; autoload -U _graphrun; compdef _graphrun graphrun"
zpty -w shell 'offer() { local -aU all; local -a some; compadd() { builtin compadd -O some "$@"; all+=($some); builtin compadd "$@" }; _main_complete; compstate[insert]=; compstate[list]=; print -r -- "<offered>" $all "<end>" }'
zpty -w shell 'zle -C offer complete-word offer; bindkey "^T" offer; print READY'
zpty -r shell said '*READY*READY*'
while IFS= read -r line; do
    zpty -w -n shell "$line"$'\C-t'
    zpty -r shell said '*<end>*'
    print -r -- "$line"$'\t'"${${said##*<offered>}%<end>*} "
    zpty -w -n shell $'\C-u'
done
zpty -d shell
