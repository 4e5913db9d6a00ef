//! One source file with its changes behind switches.
//!
//! A changed expression becomes `if on(7) { the changed text } else { the expression }`, where the changed text is taken
//! from the source as it was: one switch is on at a time, so no change needs another one within. So the types, the
//! order of evaluation and what is borrowed stay those that cargo-mutants' own change would have.

use std::ops::Range;

use proc_macro2::Span;
use syn::spanned::Spanned;
use syn::visit::{self, Visit};
use syn::{
    Arm, BinOp, Block, Expr, ExprBinary, ExprStruct, ExprUnary, ImplItemFn, ItemFn, ReturnType, Signature,
    TraitItemFn, Type,
};

use crate::Fault;
use crate::list::{Genre, Mutant};

/// How a switch is read in the source.
const ON: &str = "crate::mutation_switch::on";

/// A file with switches.
pub(crate) struct Switched {
    pub(crate) text: String,
    /// Where the text of each change is now, by its number.
    pub(crate) changes: Vec<(usize, Range<usize>)>,
    /// Where the code is that a change surrounds, by its number.
    pub(crate) around: Vec<(usize, Range<usize>)>,
    /// Changes that no compiler takes: `||` beside what binds names.
    pub(crate) refused: Vec<usize>,
}

/// Puts the changes of one file, each with its number, behind switches. What can't be is left out.
pub(crate) fn switch(text: &str, mutants: &[(usize, &Mutant)]) -> Result<Switched, Fault> {
    let file = syn::parse_file(text)?;
    let sought =
        mutants.iter().map(|(number, mutant)| Sought { number: *number, mutant, span: mutant.range(text) });
    let mut finder = Finder { text, sought: sought.collect(), edits: Vec::new(), refused: Vec::new() };
    finder.visit_file(&file);
    Ok(assemble(text, finder.edits, finder.refused))
}

struct Sought<'m> {
    number: usize,
    mutant: &'m Mutant,
    span: Range<usize>,
}

/// Text put in before and behind a node.
struct Edit {
    node: Range<usize>,
    /// Parts of the text before it, with the number of the change that they are.
    before: Vec<(Option<usize>, String)>,
    behind: String,
}

struct Finder<'t, 'm> {
    text: &'t str,
    sought: Vec<Sought<'m>>,
    /// Outer ones first.
    edits: Vec<Edit>,
    refused: Vec<usize>,
}

fn range(span: Span) -> Range<usize> {
    span.byte_range()
}

/// Whether it binds names for what follows, so that it can't stand in an expression of its own.
fn binds(expr: &Expr) -> bool {
    match expr {
        Expr::Let(_) => true,
        Expr::Binary(binary) => {
            matches!(binary.op, BinOp::And(_)) && (binds(&binary.left) || binds(&binary.right))
        }
        _ => false,
    }
}

impl Finder<'_, '_> {
    fn take(&mut self, genre: Genre, fits: impl Fn(&Range<usize>) -> bool) -> Vec<(usize, String)> {
        let fits = |sought: &Sought<'_>| sought.mutant.genre == genre && fits(&sought.span);
        self.sought.iter().filter(|s| fits(s)).map(|s| (s.number, s.mutant.replacement.clone())).collect()
    }

    /// Chooses between the node and its changed texts.
    fn choose(&mut self, node: Range<usize>, changed: Vec<(usize, String)>) {
        if changed.is_empty() {
            return;
        }
        let mut before = vec![(None, "(".to_owned())];
        for (number, text) in changed {
            before.push((None, format!("if {ON}({number}) {{ ")));
            before.push((Some(number), text));
            before.push((None, " } else ".to_owned()));
        }
        before.push((None, "{ ".to_owned()));
        self.edits.push(Edit { node, before, behind: " })".to_owned() });
    }

    fn function(&mut self, signature: &Signature, block: &Block) {
        // Such a function returns one type, and the changed body has another.
        if matches!(&signature.output, ReturnType::Type(_, kind) if matches!(**kind, Type::ImplTrait(_))) {
            return;
        }
        let body = range(block.brace_token.span.open()).end..range(block.brace_token.span.close()).start;
        let first = block.stmts.first().map(|stmt| range(stmt.span()).start);
        let changed = self.take(Genre::FnValue, |span| Some(span.start) == first);
        let mut before = Vec::new();
        for (number, text) in changed {
            before.push((None, format!(" if {ON}({number}) {{ return ")));
            before.push((Some(number), text));
            before.push((None, "; }".to_owned()));
        }
        self.edits.push(Edit { node: body, before, behind: String::new() });
    }
}

impl<'ast> Visit<'ast> for Finder<'_, '_> {
    fn visit_item_fn(&mut self, item: &'ast ItemFn) {
        self.function(&item.sig, &item.block);
        visit::visit_item_fn(self, item);
    }

    fn visit_impl_item_fn(&mut self, item: &'ast ImplItemFn) {
        self.function(&item.sig, &item.block);
        visit::visit_impl_item_fn(self, item);
    }

    fn visit_trait_item_fn(&mut self, item: &'ast TraitItemFn) {
        if let Some(block) = &item.default {
            self.function(&item.sig, block);
        }
        visit::visit_trait_item_fn(self, item);
    }

    fn visit_expr_binary(&mut self, binary: &'ast ExprBinary) {
        let (node, operator) = (range(binary.span()), range(binary.op.span()));
        let changed = self.take(Genre::BinaryOperator, |span| *span == operator);
        if binds(&binary.left) || binds(&binary.right) {
            self.refused.extend(changed.into_iter().map(|(number, _)| number));
        } else {
            let (left, right) = (&self.text[node.start..operator.start], &self.text[operator.end..node.end]);
            let changed = changed.into_iter().map(|(number, op)| (number, format!("{left}{op}{right}")));
            let changed = changed.collect();
            self.choose(node, changed);
        }
        visit::visit_expr_binary(self, binary);
    }

    fn visit_expr_unary(&mut self, unary: &'ast ExprUnary) {
        let (node, operator) = (range(unary.span()), range(unary.op.span()));
        let changed = self.take(Genre::UnaryOperator, |span| *span == operator);
        let operand = &self.text[operator.end..node.end];
        let changed = changed.into_iter().map(|(number, op)| (number, format!("{op}{operand}")));
        let changed = changed.collect();
        self.choose(node, changed);
        visit::visit_expr_unary(self, unary);
    }

    fn visit_expr_struct(&mut self, expr: &'ast ExprStruct) {
        let node = range(expr.span());
        let mut changed = Vec::new();
        for pair in expr.fields.pairs() {
            let (field, whole) = (range(pair.value().span()), range(pair.span()));
            for (number, _) in self.take(Genre::StructField, |span| span.start == field.start) {
                let (head, tail) = (&self.text[node.start..whole.start], &self.text[whole.end..node.end]);
                changed.push((number, format!("{head}{tail}")));
            }
        }
        self.choose(node, changed);
        visit::visit_expr_struct(self, expr);
    }

    fn visit_arm(&mut self, arm: &'ast Arm) {
        let node = range(arm.span());
        let gone = self.take(Genre::MatchArm, |span| span.start == node.start);
        let gone: Vec<usize> = gone.into_iter().map(|(number, _)| number).collect();
        if let Some((_, guard)) = &arm.guard {
            let place = range(guard.span());
            if !gone.is_empty() {
                let (open, close) = if binds(guard) { ("", "") } else { ("(", ")") };
                let mut before: Vec<_> =
                    gone.iter().map(|number| (Some(*number), format!("!{ON}({number}) && "))).collect();
                before.push((None, open.to_owned()));
                self.edits.push(Edit { node: place.clone(), before, behind: close.to_owned() });
            }
            if !binds(guard) {
                let changed = self.take(Genre::MatchArmGuard, |span| *span == place);
                self.choose(place, changed);
            }
        } else if !gone.is_empty() {
            let place = range(arm.pat.span()).end;
            let text = gone.iter().map(|number| (Some(*number), format!(" if !{ON}({number})"))).collect();
            // Behind the pattern, which nothing else is put into.
            self.edits.push(Edit { node: place..place, before: text, behind: String::new() });
        }
        visit::visit_arm(self, arm);
    }
}

/// Writes the file anew. Edits are given outer ones first; nodes lie within each other or apart.
fn assemble(text: &str, edits: Vec<Edit>, refused: Vec<usize>) -> Switched {
    enum What {
        Behind,
        Before,
    }
    let mut steps = Vec::new();
    for (at, edit) in edits.iter().enumerate() {
        let order = isize::try_from(at).unwrap_or(isize::MAX);
        // At one place: what ends there ends first, inner before outer; then what begins, outer before inner.
        steps.push((edit.node.start, 1, order, What::Before, at));
        if edit.node.end > edit.node.start {
            steps.push((edit.node.end, 0, -order, What::Behind, at));
        }
    }
    steps.sort_by_key(|(place, rank, order, ..)| (*place, *rank, *order));
    let mut switched = Switched { text: String::new(), changes: Vec::new(), around: Vec::new(), refused };
    let mut begun = vec![0; edits.len()];
    let mut copied = 0;
    for (place, _, _, what, at) in steps {
        switched.text.push_str(&text[copied..place]);
        copied = place;
        let edit = &edits[at];
        match what {
            What::Before => {
                begun[at] = switched.text.len();
                for (number, part) in &edit.before {
                    let start = switched.text.len();
                    switched.text.push_str(part);
                    switched.changes.extend(number.map(|number| (number, start..switched.text.len())));
                }
            }
            What::Behind => {
                switched.text.push_str(&edit.behind);
                let whole = begun[at]..switched.text.len();
                let numbers = edit.before.iter().filter_map(|(number, _)| *number);
                switched.around.extend(numbers.map(|number| (number, whole.clone())));
            }
        }
    }
    switched.text.push_str(&text[copied..]);
    switched
}
