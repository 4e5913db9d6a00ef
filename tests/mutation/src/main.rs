//! Judges the changes that cargo-mutants lists, many with one build.
//!
//! cargo-mutants builds the crate once for each change, and the build is most of its time. Here every change is
//! compiled in behind a switch of its own (`switches`), what the compiler refuses is taken out again (`build`), and the
//! unit tests run once for each change, with its switch on: only those that reach it, quick ones first (`judge`).
//! A change counts as caught only if a process of the tests failed with nothing but its switch on.
//!
//! Changes that can't stand behind a switch, of constants mostly, have a build each. A change with which the tests
//! never end counts as a timeout.
//!
//! ```text
//! countersign-mutation TREE WORK [-- CARGO_MUTANTS_LIST_ARGS]...
//! ```
//!
//! `TREE` is a copy of the repository, which is written to. `WORK` keeps `judged.tsv` (verdict, change, how), which
//! later runs go on with: what was caught or refused by the compiler is not judged again.

mod build;
mod judge;
mod list;
mod switches;

use std::collections::HashMap;
use std::error::Error;
use std::fs::{self, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use build::Workshop;
use judge::Judge;
use list::Mutant;

/// What any step may fail with.
type Fault = Box<dyn Error>;

/// What became of a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Verdict {
    /// A test failed.
    Caught,
    /// Every test that reaches it passed.
    Missed,
    /// The tests did not end.
    Timeout,
    /// It does not compile.
    Unviable,
}

impl Verdict {
    const ALL: [Self; 4] = [Self::Caught, Self::Missed, Self::Timeout, Self::Unviable];

    fn name(self) -> &'static str {
        match self {
            Self::Caught => "caught",
            Self::Missed => "missed",
            Self::Timeout => "timeout",
            Self::Unviable => "unviable",
        }
    }
}

/// The file of verdicts. One line each, the last of a change counts.
struct Ledger {
    path: PathBuf,
    verdicts: HashMap<String, Verdict>,
}

impl Ledger {
    fn open(work: &Path) -> Result<Self, Fault> {
        let path = work.join("judged.tsv");
        let text = if path.exists() { fs::read_to_string(&path)? } else { String::new() };
        let mut verdicts = HashMap::new();
        for line in text.lines() {
            let mut columns = line.split('\t');
            let verdict = columns.next().and_then(|name| Verdict::ALL.into_iter().find(|v| v.name() == name));
            if let (Some(verdict), Some(change)) = (verdict, columns.next()) {
                verdicts.insert(change.to_owned(), verdict);
            }
        }
        Ok(Self { path, verdicts })
    }

    fn note(&mut self, verdict: Verdict, mutant: &Mutant, how: &str) -> Result<(), Fault> {
        let mut file = OpenOptions::new().create(true).append(true).open(&self.path)?;
        writeln!(file, "{}\t{}\t{how}", verdict.name(), mutant.name)?;
        self.verdicts.insert(mutant.name.clone(), verdict);
        Ok(())
    }

    fn settled(&self, mutant: &Mutant) -> bool {
        matches!(self.verdicts.get(&mutant.name), Some(Verdict::Caught | Verdict::Unviable))
    }
}

/// Judges; whether everything was judged and noticed.
fn run() -> Result<bool, Fault> {
    let mut args = std::env::args().skip(1);
    let (Some(tree), Some(work)) = (args.next(), args.next()) else {
        return Err("usage: countersign-mutation TREE WORK [-- CARGO_MUTANTS_LIST_ARGS]...".into());
    };
    let (tree, work) = (fs::canonicalize(tree)?, fs::canonicalize(work)?);
    let options: Vec<String> = args.skip_while(|arg| arg == "--").collect();
    let mut ledger = Ledger::open(&work)?;
    let all = list::read(&tree, &options)?;
    let open: Vec<Mutant> = all.iter().filter(|mutant| !ledger.settled(mutant)).cloned().collect();
    eprintln!("mutants: {} listed, {} to judge", all.len(), open.len());
    if !open.is_empty() {
        let workshop = Workshop::open(&tree, &open)?;
        let built = workshop.build(&open, &mut ledger)?;
        let judge = Judge::prepare(&tree, &work, &built)?;
        judge.switched(&built, &mut ledger)?;
        judge.plain(&workshop, &built, &mut ledger)?;
    }
    for verdict in Verdict::ALL {
        let of = |mutant: &&Mutant| ledger.verdicts.get(&mutant.name) == Some(&verdict);
        println!("mutants: {}: {}", verdict.name(), all.iter().filter(of).count());
        if matches!(verdict, Verdict::Missed | Verdict::Timeout) {
            all.iter().filter(of).for_each(|m| println!("mutants: {}: {}", verdict.name(), m.name));
        }
    }
    let left = all.iter().filter(|mutant| !ledger.verdicts.contains_key(&mutant.name));
    left.for_each(|mutant| println!("mutants: not judged: {}", mutant.name));
    Ok(all.iter().all(|mutant| ledger.settled(mutant)))
}

fn main() -> ExitCode {
    match run() {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(fault) => {
            eprintln!("mutants: {fault}");
            ExitCode::FAILURE
        }
    }
}
