//! `completions` and `man`: what shells and readers are told of the commands, from the definition that --help has.

use clap::{Args, Command, ValueEnum};
use clap_complete::{Shell, generate};
use clap_mangen::Man;

use super::{Exit, complain};

pub(super) const COMPLETIONS: &str = "\
Examples:
  countersign completions bash > ~/.local/share/bash-completion/completions/countersign
  countersign completions zsh > \"${fpath[1]}/_countersign\"
  countersign completions fish > ~/.config/fish/completions/countersign.fish";

pub(super) const MAN: &str = "\
Examples:
  countersign man | man -l -
  countersign man > /usr/local/share/man/man1/countersign.1";

/// `completions`.
#[derive(Debug, Clone, Args)]
pub struct CompletionsArgs {
    /// Whose.
    #[arg(value_enum)]
    pub shell: Name,
}

/// A shell.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub enum Name {
    /// GNU Bash.
    Bash,
    /// The Z shell.
    Zsh,
    /// fish.
    Fish,
}

/// Prints what completes the commands in a shell.
pub(super) fn completions(args: &CompletionsArgs, mut command: Command) -> Exit {
    let shell = match args.shell {
        Name::Bash => Shell::Bash,
        Name::Zsh => Shell::Zsh,
        Name::Fish => Shell::Fish,
    };
    let mut script = Vec::new();
    generate(shell, &mut command, "countersign", &mut script);
    super::say(String::from_utf8_lossy(&script).trim_end());
    Exit::Ok
}

/// Prints the page of all commands.
pub(super) fn man(mut command: Command) -> Exit {
    command.build();
    match page(&command) {
        Ok(page) => {
            super::say(String::from_utf8_lossy(&page).trim_end());
            Exit::Ok
        }
        Err(error) => {
            complain(&error.to_string());
            Exit::Failed
        }
    }
}

/// The page: the whole first, then a section for each command.
fn page(command: &Command) -> std::io::Result<Vec<u8>> {
    let mut page = Vec::new();
    let whole = Man::new(command.clone()).title("COUNTERSIGN").manual("Countersign");
    whole.render_title(&mut page)?;
    whole.render_name_section(&mut page)?;
    whole.render_synopsis_section(&mut page)?;
    whole.render_description_section(&mut page)?;
    sections(command, &mut page)?;
    whole.render_extra_section(&mut page)?;
    whole.render_version_section(&mut page)?;
    Ok(page)
}

/// One section for each command that can be run, below `command`.
fn sections(command: &Command, page: &mut Vec<u8>) -> std::io::Result<()> {
    let shown = |sub: &&Command| sub.get_name() != "help" && !sub.is_hide_set();
    for sub in command.get_subcommands().filter(shown) {
        if sub.has_subcommands() {
            sections(sub, page)?;
            continue;
        }
        let one = Man::new(sub.clone());
        let mut section = Vec::new();
        one.render_description_section(&mut section)?;
        one.render_synopsis_section(&mut section)?;
        one.render_options_section(&mut section)?;
        if sub.get_after_help().is_some() {
            one.render_extra_section(&mut section)?;
        }
        let title = sub.get_bin_name().unwrap_or_default().to_uppercase().replace('-', "\\-");
        let below =
            String::from_utf8_lossy(&section).replace(".SH ", ".SS ").replace(".SS EXTRA", ".SS EXAMPLES");
        page.extend_from_slice(format!(".SH \"{title}\"\n{below}").as_bytes());
    }
    Ok(())
}
