//! `holdfast completions`: for shells. Names of Stacks and revisions are asked for as they are wanted. It must
//! not know which there are.

use std::process::ExitCode;

use clap::{Args, CommandFactory as _};
use clap_complete::Shell;

use super::print;

/// Print completions for a shell, which know names of Stacks and their revisions.
#[derive(Args)]
#[command(after_help = "Examples:\n  \
    source <(holdfast completions bash)\n  \
    holdfast completions zsh > ~/.zfunc/_holdfast\n  \
    holdfast completions fish | source")]
pub(crate) struct Completions {
    /// The shell.
    #[arg(value_enum)]
    shell: Shell,
}

impl Completions {
    pub(crate) fn run(&self) -> anyhow::Result<ExitCode> {
        let mut command = super::Cli::command();
        let mut script = Vec::new();
        clap_complete::generate(self.shell, &mut command, "holdfast", &mut script);
        let script = String::from_utf8_lossy(&script);
        print(&match self.shell {
            Shell::Bash => format!("{script}{BASH}"),
            Shell::Zsh => zsh(&script),
            Shell::Fish => format!("{script}{FISH}"),
            _ => script.into_owned(),
        });
        Ok(ExitCode::SUCCESS)
    }
}

const BASH: &str = r#"
_holdfast_names() {
    _holdfast "$@"
    local cur="${COMP_WORDS[COMP_CWORD]}" word
    while IFS= read -r word; do
        COMPREPLY+=("$word")
    done < <("${COMP_WORDS[0]}" __complete -- "${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null)
}

complete -F _holdfast_names -o nosort -o bashdefault -o default holdfast 2>/dev/null ||
    complete -F _holdfast_names -o bashdefault -o default holdfast
"#;

const FISH: &str = r#"
function __holdfast_names
    set -l words (commandline -opc) (commandline -ct)
    $words[1] __complete -- $words[2..-1] 2>/dev/null
end

complete -c holdfast -f -a "(__holdfast_names)"
"#;

const ZSH: &str = r#"
_holdfast_names() {
    local -a found
    found=("${(@f)$("${words_of_line[1]:-holdfast}" __complete -- "${(@)words_of_line[2,-1]}" 2>/dev/null)}")
    [[ -n "$found[1]" ]] && compadd -a found
}
"#;

/// The script with names wherever it has files for a Stack or a revision. The words of the line are kept,
/// since `_arguments` takes the command away from them.
fn zsh(script: &str) -> String {
    let mut out = String::new();
    for line in script.lines() {
        let is_named = ["'*::names", "'::name ", "':name ", "REVISION"]
            .iter()
            .any(|word| line.contains(word));
        if is_named {
            out.push_str(&line.replace("_default'", "_holdfast_names'"));
        } else {
            out.push_str(line);
        }
        out.push('\n');
        if line.starts_with("_holdfast() {") {
            out.push_str("    local -a words_of_line=(\"${(@)words[1,CURRENT]}\")\n");
        }
    }
    match out.split_once("\n\n") {
        Some((head, rest)) => format!("{head}\n{ZSH}\n{rest}"),
        None => out,
    }
}
