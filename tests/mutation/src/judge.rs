//! Runs the tests, once for each change.
//!
//! First every test runs alone and notes the switches that it asks for: a change that no test reaches is missed without
//! a run. Then each change is judged by the tests that reach it, in groups that grow: first those that caught others of
//! its file, those of its own module, and quick ones. A group is one process, and the first that fails settles it.

#![expect(clippy::disallowed_methods, reason = "how long a process takes is not what the sidecar judges by")]

use std::cell::RefCell;
use std::collections::{HashMap, HashSet};
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::build::{Built, REACH, SWITCH, Workshop};
use crate::list::{Genre, Mutant};
use crate::{Fault, Ledger, Verdict};

/// Which unit tests judge, by the beginnings of their names.
const JUDGES: [&str; 3] = ["verify::", "credential::", "vectors::"];
/// A change can make a loop endless: a process may take this, and ten times what its tests took without a change.
const LONGEST: Duration = Duration::from_secs(60);
/// It can make boundless what a loop gathers.
const MOST_MEMORY_KIB: u32 = 4 << 20;
/// How long the tests of the first group may take together.
const FIRST_GROUP: Duration = Duration::from_millis(100);

/// A test, and what it asks for.
struct Test {
    name: String,
    took: Duration,
    reached: Vec<usize>,
}

/// How a process of tests ended.
enum End {
    Passed,
    /// These failed; none where the process itself did.
    Failed(Vec<String>),
    Never,
}

/// Where changes are judged, and what with.
pub(crate) struct Judge<'t> {
    tree: &'t Path,
    work: &'t Path,
    tests: Vec<Test>,
    /// Which tests caught a change, by its file.
    catchers: RefCell<HashMap<String, HashSet<String>>>,
}

impl<'t> Judge<'t> {
    /// Finds out what the tests reach.
    pub(crate) fn prepare(tree: &'t Path, work: &'t Path, built: &Built) -> Result<Self, Fault> {
        let start = Instant::now();
        let mut judge = Self { tree, work, tests: Vec::new(), catchers: RefCell::default() };
        judge.tests = judge.explore(&built.tests)?;
        eprintln!("mutants: {} tests, explored in {} s", judge.tests.len(), start.elapsed().as_secs());
        Ok(judge)
    }

    /// Judges every change that is behind a switch.
    pub(crate) fn switched(&self, built: &Built, ledger: &mut Ledger) -> Result<(), Fault> {
        let start = Instant::now();
        let mut reaching: HashMap<usize, Vec<&Test>> = HashMap::new();
        for test in &self.tests {
            test.reached.iter().for_each(|number| reaching.entry(*number).or_default().push(test));
        }
        for (done, (number, mutant)) in built.switched.iter().enumerate() {
            let tests = reaching.remove(number).unwrap_or_default();
            let (verdict, how) = self.settle(mutant, &built.tests, tests, Some(*number))?;
            ledger.note(verdict, mutant, &how)?;
            if done % 100 == 99 {
                eprintln!("mutants: {} judged in {} s", done + 1, start.elapsed().as_secs());
            }
        }
        Ok(())
    }

    /// Judges those that can't be, with a build for each.
    pub(crate) fn plain(
        &self,
        workshop: &Workshop<'_>,
        built: &Built,
        ledger: &mut Ledger,
    ) -> Result<(), Fault> {
        for mutant in &built.plain {
            // What else cargo-mutants takes away is more than its place.
            if matches!(mutant.genre, Genre::MatchArm | Genre::StructField) {
                continue;
            }
            let (verdict, how) = match workshop.build_plain(mutant)? {
                Some(tests) => self.settle(mutant, &tests, self.tests.iter().collect(), None)?,
                None => (Verdict::Unviable, "the compiler".to_owned()),
            };
            ledger.note(verdict, mutant, &how)?;
        }
        Ok(())
    }

    /// What these tests say to a change. One that fails settles it.
    fn settle(
        &self,
        mutant: &Mutant,
        tests: &Path,
        mut reaching: Vec<&Test>,
        switch: Option<usize>,
    ) -> Result<(Verdict, String), Fault> {
        let own = module(&mutant.file);
        let caught = self.catchers.borrow().get(&mutant.file).cloned().unwrap_or_default();
        reaching.sort_by_key(|test| (!caught.contains(&test.name), !test.name.starts_with(&own), test.took));
        let switch = switch.map(|number| number.to_string());
        let settings: Vec<_> = switch.iter().map(|switch| (SWITCH, switch.as_str())).collect();
        for group in groups(&reaching) {
            match self.run(tests, &group, &settings)? {
                End::Passed => {}
                End::Failed(failed) => {
                    let how = failed.first().cloned().unwrap_or_else(|| "the process failed".to_owned());
                    self.catchers.borrow_mut().entry(mutant.file.clone()).or_default().extend(failed);
                    return Ok((Verdict::Caught, how));
                }
                End::Never => return Ok((Verdict::Timeout, format!("one of {}", group.join(" ")))),
            }
        }
        Ok((Verdict::Missed, format!("{} tests", reaching.len())))
    }

    /// What every test reaches. Each must pass.
    fn explore(&self, tests: &Path) -> Result<Vec<Test>, Fault> {
        let reach = self.work.join("reach");
        let file = reach.to_str().ok_or("a path that is no text")?;
        let mut explored = Vec::new();
        for name in names(tests)? {
            fs::write(&reach, "")?;
            let start = Instant::now();
            if !matches!(self.run(tests, &[&name], &[(SWITCH, "reach"), (REACH, file)])?, End::Passed) {
                return Err(format!("without a change, {name} fails").into());
            }
            let took = start.elapsed();
            let reached = fs::read_to_string(&reach)?.lines().map(str::parse).collect::<Result<_, _>>()?;
            explored.push(Test { name, took, reached });
        }
        Ok(explored)
    }

    /// Starts the tests of these names, with these settings.
    fn run(&self, tests: &Path, names: &[&str], settings: &[(&str, &str)]) -> Result<End, Fault> {
        let said = self.work.join("said");
        let mut command = Command::new("sh");
        command.args(["-c", &format!("ulimit -v {MOST_MEMORY_KIB}; exec \"$@\""), "sh"]).arg(tests);
        command.args(["--exact", "--test-threads", "1"]).args(names).envs(settings.iter().copied());
        command.current_dir(self.tree).stdin(Stdio::null()).stderr(Stdio::null());
        let mut child = command.stdout(File::create(&said)?).spawn()?;
        let took = self.tests.iter().filter(|test| names.contains(&test.name.as_str())).map(|test| test.took);
        let longest = LONGEST + 10 * took.sum::<Duration>();
        let start = Instant::now();
        loop {
            if let Some(status) = child.try_wait()? {
                return Ok(if status.success() { End::Passed } else { End::Failed(failed(&said)?) });
            }
            if start.elapsed() > longest {
                child.kill()?;
                child.wait()?;
                return Ok(End::Never);
            }
            std::thread::sleep(Duration::from_millis(2));
        }
    }
}

/// The tests that failed, by what the process said.
fn failed(said: &PathBuf) -> Result<Vec<String>, Fault> {
    let text = String::from_utf8_lossy(&fs::read(said)?).into_owned();
    let names = text.lines().filter_map(|line| line.strip_prefix("test ")?.strip_suffix(" ... FAILED"));
    Ok(names.map(str::to_owned).collect())
}

fn names(tests: &Path) -> Result<Vec<String>, Fault> {
    let output = Command::new(tests).args(["--list", "--format", "terse"]).args(JUDGES).output()?;
    let text = String::from_utf8(output.stdout)?;
    let names = text.lines().filter_map(|line| line.strip_suffix(": test"));
    Ok(names.filter(|name| JUDGES.iter().any(|judge| name.starts_with(judge))).map(str::to_owned).collect())
}

/// `src/verify/kind/sns/mod.rs` as tests in it are named: `verify::kind::sns`.
fn module(file: &str) -> String {
    let path = file.trim_start_matches("src/").trim_end_matches(".rs").trim_end_matches("/mod");
    path.replace('/', "::")
}

/// Tests in their order, in groups that may take longer and longer.
fn groups<'t>(tests: &[&'t Test]) -> Vec<Vec<&'t str>> {
    let mut groups: Vec<Vec<&str>> = Vec::new();
    let (mut left, mut most) = (Duration::ZERO, FIRST_GROUP);
    for test in tests {
        match groups.last_mut().filter(|_| test.took <= left) {
            Some(group) => group.push(&test.name),
            None => {
                groups.push(vec![&test.name]);
                left = most;
                most *= 3;
            }
        }
        left = left.saturating_sub(test.took);
    }
    groups
}
