//! The changes, as cargo-mutants lists them.

use std::ops::Range;
use std::path::Path;
use std::process::Command;

use serde::Deserialize;

use crate::Fault;

/// One change.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Mutant {
    /// Its name: place, change, function. Unique.
    pub(crate) name: String,
    /// The file, below the tree.
    pub(crate) file: String,
    /// What sort of change it is.
    pub(crate) genre: Genre,
    /// What stands there instead.
    pub(crate) replacement: String,
    /// The place.
    pub(crate) span: Span,
}

impl Mutant {
    /// The place in bytes, in the text of the file.
    pub(crate) fn range(&self, text: &str) -> Range<usize> {
        self.span.start.offset(text)..self.span.end.offset(text)
    }
}

/// Sorts of changes, by cargo-mutants' names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub(crate) enum Genre {
    /// The body of a function.
    FnValue,
    /// An operator between two operands, assigning ones too.
    BinaryOperator,
    /// An operator before an operand, taken away.
    UnaryOperator,
    /// An arm of a match, taken away.
    MatchArm,
    /// The guard of an arm.
    MatchArmGuard,
    /// A field of a struct expression with a base, taken away.
    StructField,
}

/// From one place to the one after the last.
#[derive(Debug, Clone, Copy, Deserialize)]
pub(crate) struct Span {
    start: Place,
    end: Place,
}

/// Both counted from 1, the column in characters.
#[derive(Debug, Clone, Copy, Deserialize)]
pub(crate) struct Place {
    line: usize,
    column: usize,
}

impl Place {
    fn offset(self, text: &str) -> usize {
        let before: usize = text.split_inclusive('\n').take(self.line - 1).map(str::len).sum();
        let line = &text[before..];
        before + line.chars().take(self.column - 1).map(char::len_utf8).sum::<usize>()
    }
}

/// What cargo-mutants lists for the tree, with its configuration there.
pub(crate) fn read(tree: &Path, options: &[String]) -> Result<Vec<Mutant>, Fault> {
    let mut command = Command::new("cargo");
    command.args(["mutants", "--list", "--json", "--colors", "never", "--dir"]).arg(tree).args(options);
    let output = command.stderr(std::process::Stdio::inherit()).output()?;
    if !output.status.success() {
        return Err("cargo mutants can't list the changes".into());
    }
    Ok(serde_json::from_slice(&output.stdout)?)
}
