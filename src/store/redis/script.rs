//! The scripts, and how they are run.
//!
//! Not what their answers mean to the store. Redis documentation: "Scripting with Lua", EVALSHA. Invariants:
//! every key that a script touches is passed as a key, so that a Cluster can route it; a server that does
//! not know a script is sent its text, which a restarted server needs; a script has one answer or none.

use std::sync::LazyLock;

use redis::Script;

use super::connection::Connection;
use super::fault::Fault;
use super::forms::{self, damaged};
use super::link::{Link, run};

/// A script with its digest.
pub(super) struct Lua {
    pub(super) code: &'static str,
    pub(super) script: LazyLock<Script>,
}

/// See `commit.rs`.
pub(super) static COMMIT: Lua = Lua {
    code: include_str!("commit.lua"),
    script: LazyLock::new(|| Script::new(include_str!("commit.lua"))),
};
/// See `mod.rs`.
pub(super) static INIT: Lua =
    Lua { code: include_str!("init.lua"), script: LazyLock::new(|| Script::new(include_str!("init.lua"))) };

/// See `fleet.rs`.
pub(super) static MIGRATE: Lua = Lua {
    code: include_str!("migrate.lua"),
    script: LazyLock::new(|| Script::new(include_str!("migrate.lua"))),
};

/// See `uses.rs`.
pub(super) static USES: Lua =
    Lua { code: include_str!("uses.lua"), script: LazyLock::new(|| Script::new(include_str!("uses.lua"))) };

/// See `deliveries.rs`.
pub(super) static DELIVERIES: Lua = Lua {
    code: include_str!("deliveries.lua"),
    script: LazyLock::new(|| Script::new(include_str!("deliveries.lua"))),
};

impl Lua {
    /// Runs the script on the namespace. Its answer: a word, and what belongs to it.
    pub(super) async fn run(
        &self,
        link: &Link,
        connection: &mut Connection,
        args: &[Vec<u8>],
    ) -> Result<Answer, Fault> {
        self.run_on(link, connection, &link.names.all(), args).await
    }

    /// The same on these keys.
    pub(super) async fn run_on(
        &self,
        link: &Link,
        connection: &mut Connection,
        keys: &[&str],
        args: &[Vec<u8>],
    ) -> Result<Answer, Fault> {
        let key = &link.names.meta;
        let known = call(keys, "EVALSHA", self.script.get_hash(), args);
        let answer = match run(link, connection, key, &known).await {
            Err(Fault::UnknownScript) => {
                run(link, connection, key, &call(keys, "EVAL", self.code, args)).await
            }
            answer => answer,
        }?;
        let words: Option<Vec<Vec<u8>>> =
            forms::items(answer).and_then(|items| items.into_iter().map(forms::bytes).collect());
        Ok(Answer::of(words.unwrap_or_default()).ok_or_else(|| damaged("the answer of a script"))?)
    }
}

fn call(keys: &[&str], command: &str, script: &str, args: &[Vec<u8>]) -> redis::Cmd {
    let mut call = redis::cmd(command);
    call.arg(script).arg(keys.len()).arg(keys);
    for arg in args {
        call.arg(arg.as_slice());
    }
    call
}

/// What a script said.
pub(super) struct Answer {
    /// `ok`, or why not.
    pub(super) word: String,
    /// What it is about: a position, a record, a key.
    pub(super) subject: String,
    /// What was found there.
    pub(super) found: String,
}

impl Answer {
    fn of(words: Vec<Vec<u8>>) -> Option<Self> {
        let mut words = words.into_iter().map(|word| String::from_utf8_lossy(&word).into_owned());
        let word = words.next()?;
        Some(Self {
            word,
            subject: words.next().unwrap_or_default(),
            found: words.next().unwrap_or_default(),
        })
    }
}
