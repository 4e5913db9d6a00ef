//! Builds the unit tests with every change behind its switch, less those that the compiler refuses.
//!
//! An error within the text of a change means that the change alone would not compile either, as its text and its types
//! are the same. Any other error tells only that the change can't stand behind a switch.

use std::collections::{BTreeMap, HashSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde::Deserialize;

use crate::list::Mutant;
use crate::switches::{self, Switched};
use crate::{Fault, Ledger, Verdict};

/// How often what was refused is taken out: a pass of the compiler does not come to the next one before it is content.
const MOST_ROUNDS: usize = 20;

/// Which switch is on: its number, or `reach` to note the switches that are asked for.
pub(crate) const SWITCH: &str = "COUNTERSIGN_MUTATION";
/// The file for the noted switches.
pub(crate) const REACH: &str = "COUNTERSIGN_MUTATION_REACH";

/// The module that the switches are read from, put into the tree.
const MODULE: &str = r#"
use std::sync::{LazyLock, Mutex};
const REACH: usize = usize::MAX;
static ON: LazyLock<usize> = LazyLock::new(|| match std::env::var("COUNTERSIGN_MUTATION") {
    Ok(switch) if switch == "reach" => REACH,
    Ok(switch) => switch.parse().unwrap(),
    Err(_) => REACH - 1,
});
static SEEN: Mutex<Vec<bool>> = Mutex::new(Vec::new());
pub fn on(switch: usize) -> bool {
    let on = *ON;
    if on == REACH {
        note(switch);
    }
    on == switch
}
#[cold]
fn note(switch: usize) {
    let mut seen = SEEN.lock().unwrap();
    if seen.len() <= switch {
        seen.resize(switch + 1, false);
    }
    if !std::mem::replace(&mut seen[switch], true) {
        let path = std::env::var_os("COUNTERSIGN_MUTATION_REACH").unwrap();
        let mut file = std::fs::OpenOptions::new().create(true).append(true).open(path).unwrap();
        std::io::Write::write_all(&mut file, format!("{switch}\n").as_bytes()).unwrap();
    }
}
"#;

/// The tests, and what they can judge.
pub(crate) struct Built {
    pub(crate) tests: PathBuf,
    /// The changes that are behind a switch, with its number.
    pub(crate) switched: Vec<(usize, Mutant)>,
    /// The changes that can't be, and compile perhaps.
    pub(crate) plain: Vec<Mutant>,
}

#[derive(Deserialize)]
struct Message {
    reason: String,
    message: Option<Diagnostic>,
    executable: Option<PathBuf>,
}

#[derive(Deserialize)]
struct Diagnostic {
    level: String,
    rendered: Option<String>,
    spans: Vec<ErrorSpan>,
}

#[derive(Deserialize)]
struct ErrorSpan {
    file_name: String,
    byte_start: usize,
    byte_end: usize,
    is_primary: bool,
}

/// What one run of the compiler said.
struct Compiled {
    errors: Vec<Diagnostic>,
    success: bool,
    executable: Option<PathBuf>,
}

/// Runs cargo on the library. What is given to rustc is given for this crate alone: dependencies stay as they are built.
fn cargo(tree: &Path, profile: &str) -> Result<Compiled, Fault> {
    let mut command = Command::new("cargo");
    command.current_dir(tree).args([
        "rustc",
        "--locked",
        "--lib",
        "--message-format",
        "json",
        "--profile",
        profile,
    ]);
    command.args([
        "--",
        "--cap-lints",
        "allow",
        "--cfg",
        "mutation",
        "-C",
        "debuginfo=0",
        "-C",
        "opt-level=1",
    ]);
    command.args(["-C", "debug-assertions=on", "-C", "overflow-checks=on"]);
    let output = command.stderr(Stdio::inherit()).output()?;
    let mut compiled = Compiled { errors: Vec::new(), success: output.status.success(), executable: None };
    for line in String::from_utf8(output.stdout)?.lines() {
        let Ok(message) = serde_json::from_str::<Message>(line) else { continue };
        if message.reason == "compiler-artifact" {
            compiled.executable = message.executable.or(compiled.executable);
        } else if let Some(diagnostic) = message.message.filter(|message| message.level == "error") {
            compiled.errors.push(diagnostic);
        }
    }
    Ok(compiled)
}

/// Which changes an error is about.
enum About {
    /// It is within the text of this one.
    Within(usize),
    /// It is in the code that these surround most closely.
    Around(Vec<usize>),
    Nothing,
}

fn about(error: &Diagnostic, files: &BTreeMap<&str, Switched>) -> About {
    let mut spans: Vec<_> = error.spans.iter().collect();
    spans.sort_by_key(|span| !span.is_primary);
    let found = |span: &&ErrorSpan, around: bool| -> Vec<usize> {
        let Some(file) = files.get(span.file_name.as_str()) else { return Vec::new() };
        let places = if around { &file.around } else { &file.changes };
        let meets =
            places.iter().filter(|(_, place)| place.start <= span.byte_start && span.byte_end <= place.end);
        let meets: Vec<_> = meets.collect();
        let least = meets.iter().map(|(_, place)| place.len()).min();
        meets.iter().filter(|(_, place)| Some(place.len()) == least).map(|(number, _)| *number).collect()
    };
    if let Some(number) = spans.iter().find_map(|span| found(span, false).first().copied()) {
        return About::Within(number);
    }
    let around = spans.iter().map(|span| found(span, true)).find(|numbers| !numbers.is_empty());
    around.map_or(About::Nothing, About::Around)
}

/// The tree, and what its sources were.
pub(crate) struct Workshop<'t> {
    tree: &'t Path,
    sources: BTreeMap<&'t str, String>,
}

impl<'t> Workshop<'t> {
    /// A tree in which these are to be judged.
    pub(crate) fn open(tree: &'t Path, mutants: &'t [Mutant]) -> Result<Self, Fault> {
        let library = fs::read_to_string(tree.join("src/lib.rs"))?;
        fs::write(tree.join("src/lib.rs"), format!("{library}\npub mod mutation_switch;\n"))?;
        fs::write(tree.join("src/mutation_switch.rs"), MODULE)?;
        let mut sources = BTreeMap::new();
        for mutant in mutants {
            if !sources.contains_key(mutant.file.as_str()) {
                sources.insert(mutant.file.as_str(), fs::read_to_string(tree.join(&mutant.file))?);
            }
        }
        Ok(Self { tree, sources })
    }

    /// Writes all sources with the changes that are left behind switches.
    fn switch(&self, open: &[Mutant], out: &HashSet<usize>) -> Result<BTreeMap<&'t str, Switched>, Fault> {
        let mut files = BTreeMap::new();
        for (file, text) in &self.sources {
            let here = open.iter().enumerate().filter(|(number, m)| m.file == *file && !out.contains(number));
            let switched = switches::switch(text, &here.collect::<Vec<_>>())
                .map_err(|fault| format!("{file}: {fault}"))?;
            fs::write(self.tree.join(file), &switched.text)?;
            files.insert(*file, switched);
        }
        Ok(files)
    }

    /// Builds the tests with the changes behind switches, and notes those that don't compile.
    pub(crate) fn build(&self, open: &[Mutant], ledger: &mut Ledger) -> Result<Built, Fault> {
        let (mut out, mut unviable) = (HashSet::new(), HashSet::new());
        for round in 1..=MOST_ROUNDS {
            let files = self.switch(open, &out)?;
            unviable.extend(files.values().flat_map(|file| &file.refused));
            let compiled = cargo(self.tree, "check")?;
            if compiled.success {
                for number in &unviable {
                    ledger.note(Verdict::Unviable, &open[*number], "the compiler")?;
                }
                return self.finish(open, &files, &unviable);
            }
            let before = out.len();
            for error in &compiled.errors {
                match about(error, &files) {
                    About::Within(number) => {
                        out.insert(number);
                        unviable.insert(number);
                    }
                    About::Around(numbers) => out.extend(numbers),
                    About::Nothing => {}
                }
            }
            let taken = out.len() - before;
            eprintln!("mutants: round {round}: {} errors, {taken} changes taken out", compiled.errors.len());
            if taken == 0 {
                let first = compiled.errors.into_iter().find_map(|error| error.rendered);
                return Err(first.unwrap_or_else(|| "the compiler failed".to_owned()).into());
            }
        }
        Err("what the compiler refuses can't be taken out".into())
    }

    /// Builds what `check` was content with.
    fn finish(
        &self,
        open: &[Mutant],
        files: &BTreeMap<&str, Switched>,
        unviable: &HashSet<usize>,
    ) -> Result<Built, Fault> {
        let held: HashSet<usize> =
            files.values().flat_map(|file| file.changes.iter().map(|(number, _)| *number)).collect();
        let (mut switched, mut plain) = (Vec::new(), Vec::new());
        for (number, mutant) in open.iter().enumerate() {
            if held.contains(&number) {
                switched.push((number, mutant.clone()));
            } else if !unviable.contains(&number) {
                plain.push(mutant.clone());
            }
        }
        eprintln!("mutants: {} behind switches, {} can't be", switched.len(), plain.len());
        let built = cargo(self.tree, "test")?;
        let tests = built.executable.filter(|_| built.success).ok_or("the tests don't compile")?;
        Ok(Built { tests, switched, plain })
    }

    /// Builds the tests with one change in its place, and nothing else changed; `None` where it does not compile.
    pub(crate) fn build_plain(&self, mutant: &Mutant) -> Result<Option<PathBuf>, Fault> {
        for (file, text) in &self.sources {
            let mut text = text.clone();
            if *file == mutant.file {
                text.replace_range(mutant.range(&text), &mutant.replacement);
            }
            // What is as it was is not built again.
            let path = self.tree.join(file);
            if fs::read_to_string(&path)? != text {
                fs::write(path, text)?;
            }
        }
        let built = cargo(self.tree, "test")?;
        Ok(built.executable.filter(|_| built.success))
    }
}
