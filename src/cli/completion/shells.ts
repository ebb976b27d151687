/**
 * What shells are told to do with us. The scripts know nothing of the verbs: they hand the words to the program, as
 * `underlay __complete WORD... CURRENT`, so that completion is always that of the program that is called.
 */

export const SHELLS = ["bash", "zsh", "fish"] as const;
export type Shell = (typeof SHELLS)[number];

/** First word of the command line by which a shell asks; the words that were typed follow, the last being completed. */
export const COMPLETE = "__complete";

/** Answers that stand for files or folders, which every shell completes better itself. */
export const PLACES = { files: ":files", dirs: ":dirs" } as const;

// bash parts words at `=` too, and completes what is behind it: a lone `=` is a value that has no letter yet.
const BASH = `# bash completion for underlay, printed by \`underlay completion bash\`
_underlay() {
  local current=\${COMP_WORDS[COMP_CWORD]} answer line
  local -a words=("\${COMP_WORDS[@]:1:COMP_CWORD}")
  if [[ $current == = ]]; then
    current=
    words+=("")
  fi
  COMPREPLY=()
  answer=$("\${COMP_WORDS[0]/#\\~/$HOME}" ${COMPLETE} "\${words[@]}" 2>/dev/null) || return 0
  case $answer in
    ${PLACES.files})
      compopt -o filenames 2>/dev/null
      mapfile -t COMPREPLY < <(compgen -f -- "$current")
      ;;
    ${PLACES.dirs})
      compopt -o filenames 2>/dev/null
      mapfile -t COMPREPLY < <(compgen -d -- "$current")
      ;;
    ?*)
      while IFS= read -r line; do COMPREPLY+=("\${line%%$'\\t'*}"); done <<<"$answer"
      ;;
  esac
}
complete -F _underlay underlay
`;

const ZSH = `#compdef underlay
# zsh completion for underlay, printed by \`underlay completion zsh\`
_underlay() {
  local answer line
  local -a described
  answer="$("\${(Q)words[1]}" ${COMPLETE} "\${(@Q)words[2,CURRENT]}" 2>/dev/null)" || return 1
  case $answer in
    ${PLACES.files}) compset -P '--*='; _files ;;
    ${PLACES.dirs}) compset -P '--*='; _files -/ ;;
    ?*)
      for line in "\${(f)answer}"; do
        line="\${\${line%%$'\\t'*}//:/\\\\:}:\${line#*$'\\t'}"
        described+=("\${line%:}")
      done
      _describe underlay described
      ;;
    *) return 1 ;;
  esac
}
if [[ $funcstack[1] == _underlay ]]; then _underlay "$@"; else compdef _underlay underlay; fi
`;

// A question mark is a wildcard up to fish 3 only.
const FISH = `# fish completion for underlay, printed by \`underlay completion fish\`
function __underlay_complete
    set -l words (commandline -opc)
    set -l current (commandline -ct)
    set -l answer ($words[1] ${COMPLETE} $words[2..] "$current" 2>/dev/null)
    switch "$answer[1]"
        case ${PLACES.files}
            __fish_complete_path "$current"
        case ${PLACES.dirs}
            __fish_complete_directories "$current"
        case ''
            return 1
        case '*'
            printf '%s\\n' $answer
    end
end
complete -c underlay -f -a '(__underlay_complete)'
`;

export const SCRIPTS: Readonly<Record<Shell, string>> = { bash: BASH, zsh: ZSH, fish: FISH };
