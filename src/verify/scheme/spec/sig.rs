//! Where a signature is and how it is read, as written. Pure.

use serde::{Deserialize, Serialize};

/// Where the signature is and how its header is read.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SigSpec {
    /// The header, or its aliases, of which a request may have one.
    #[serde(default, skip_serializing_if = "HeaderNames::is_empty")]
    pub header: HeaderNames,
    /// Several headers, each with a signature of its own, of which a request has one or more.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub headers: Vec<String>,
    /// What the names of numbered headers begin with: `X-Sig-` for `X-Sig-1` to `X-Sig-100`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub numbered: Option<String>,
    /// Path of a string in the JSON body.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub json: Option<String>,
    /// Field of the form body.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub form: Option<String>,
    /// Parameter of the query.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub query: Option<String>,
    /// How the value is read.
    #[serde(default)]
    pub parse: Parse,
    /// `plain`, `positional`, `delimited`: what stands before the signature or the list.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prefix: Option<String>,
    /// `plain`: whether the prefix may be missing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prefix_optional: Option<bool>,
    /// All lists: the character between items.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sep: Option<String>,
    /// `tagged`: the character between tag and value.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tag_sep: Option<String>,
    /// `groups`: the character between groups of items.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group_sep: Option<String>,
    /// `kv`, `tagged`, `groups`: the key or tag of the items that are signatures; others are ignored.
    /// `positional`: the position of the first signature, counted from 0; those after it are signatures too.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
}

impl SigSpec {
    pub(super) fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

/// How the value of the signature header is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Parse {
    /// The whole value is one signature, after a prefix perhaps.
    #[default]
    Plain,
    /// Items `key=value` between separators.
    Kv,
    /// Items of tag, tag separator and value between separators.
    Tagged,
    /// Items that mean something by their position.
    Positional,
    /// Bare signatures between separators.
    Delimited,
    /// Groups of `key=value` items: `t=…,v1=… t=…,v1=…`.
    Groups,
}

/// One header name, or aliases of which a request may have one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged, expecting = "expected a header name or a list of header names")]
pub enum HeaderNames {
    /// One name.
    One(String),
    /// Aliases; the first is the one that signed samples use.
    Aliases(Vec<String>),
}

impl Default for HeaderNames {
    fn default() -> Self {
        Self::Aliases(Vec::new())
    }
}

impl HeaderNames {
    pub(super) fn is_empty(&self) -> bool {
        self.names().is_empty()
    }

    /// All of them.
    #[must_use]
    pub fn names(&self) -> &[String] {
        match self {
            Self::One(name) => std::slice::from_ref(name),
            Self::Aliases(names) => names,
        }
    }
}
