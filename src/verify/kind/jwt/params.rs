//! The parameters of the kind, and everything that may be wrong with them. Pure.
//!
//! Not the table for people, which is in config/schemes/README.md. Invariants: every fault is named at once;
//! parameters that the chosen form does not use are faults; only HMACs may be several, for a public key must
//! never be tried as a shared secret.

use http::HeaderName;
use serde::Deserialize;

use super::address::{AddressForm, AddressRule};
use super::token::Algorithm;
use super::{BodyRule, Carrier, Place, Rules};
use crate::credential::grammar::Encoding;
use crate::verify::kind::{About, BodyPolicy, Params, read_params, tolerance};
use crate::verify::mac::Hash;
use crate::verify::scheme::SchemeFault;

/// What clocks may differ by; RFC 7519 §4.1.4 allows "a few minutes".
const MOST_LEEWAY: u32 = 300;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct JwtParams {
    #[serde(default)]
    header: Option<String>,
    #[serde(default)]
    prefix: Option<String>,
    #[serde(default)]
    query: Option<String>,
    #[serde(default)]
    body_token: bool,
    algorithm: Algorithms,
    #[serde(default)]
    issuer: Option<String>,
    #[serde(default)]
    audience: Option<String>,
    #[serde(default)]
    body: Option<BodyPolicy>,
    #[serde(default)]
    body_claim: Option<String>,
    #[serde(default)]
    body_digest: Option<String>,
    #[serde(default)]
    url_claim: Option<String>,
    #[serde(default)]
    url_form: Option<AddressForm>,
    #[serde(default)]
    base_path: Option<String>,
    #[serde(default)]
    required: Vec<String>,
    #[serde(default = "jti")]
    id_claim: String,
    #[serde(default)]
    tolerance: Option<u32>,
    #[serde(default)]
    leeway: u32,
}

#[derive(Deserialize)]
#[serde(
    untagged,
    expecting = "`algorithm` must be one of HS256, HS384, HS512, RS256, RS512, PS512, ES256 and EdDSA, or a list of the first three"
)]
enum Algorithms {
    One(Algorithm),
    Several(Vec<Algorithm>),
}

fn jti() -> String {
    "jti".to_owned()
}

/// Checks the parameters.
pub(super) fn check(params: &Params) -> Result<(About, Rules), Vec<SchemeFault>> {
    let params: JwtParams = read_params(params)?;
    let mut faults = Faults(params.tolerance.map(tolerance::faults).unwrap_or_default());
    let place = place(&params, &mut faults);
    let body = body(&params, &mut faults);
    let address = address(&params, &mut faults);
    let algorithms = match params.algorithm {
        Algorithms::One(one) => vec![one],
        Algorithms::Several(several) => several,
    };
    let symmetric = algorithms.iter().all(|algorithm| algorithm.verified_as().symmetric());
    let first = algorithms.first().copied().filter(|_| symmetric || algorithms.len() == 1);
    if first.is_none() {
        faults.add("algorithm", "several can only be of HS256, HS384 and HS512");
    }
    if params.leeway > MOST_LEEWAY {
        faults.add("leeway", format!("must be 0 to {MOST_LEEWAY} seconds"));
    }
    let (Some(place), Some(body), Some(first), true) = (place, body, first, faults.0.is_empty()) else {
        return Err(faults.0);
    };

    let is_body = matches!(place, Place::Body);
    let header = match &place {
        Place::Head { header, .. } => header.as_ref(),
        Place::Body => None,
    };
    let about = About {
        headers: header.map(|carrier| carrier.name.clone()).into_iter().collect(),
        algorithm: first.name(),
        tolerance: params.tolerance,
        binds_body: is_body || body.policy.binds(),
        binds_target: address.is_some(),
        signs_id: params.required.contains(&params.id_claim),
        needs_url: address.as_ref().is_some_and(|rule| rule.form != AddressForm::Qsh),
        whole_body: is_body,
        symmetric,
    };
    let rules = Rules {
        place,
        algorithms,
        issuer: params.issuer,
        audience: params.audience,
        body,
        address,
        required: params.required,
        id_claim: params.id_claim,
        issued: params.tolerance.is_some(),
        leeway: i64::from(params.leeway),
    };
    Ok((about, rules))
}

/// Faults so far.
struct Faults(Vec<SchemeFault>);

impl Faults {
    fn add(&mut self, name: &str, message: impl Into<String>) {
        self.0.push(SchemeFault::new(&format!("params.{name}"), message));
    }
}

fn place(params: &JwtParams, faults: &mut Faults) -> Option<Place> {
    if params.prefix.is_some() && params.header.is_none() {
        faults.add("prefix", "stands before a token in a `header`");
    }
    match (params.body_token, &params.header, &params.query) {
        (true, None, None) => Some(Place::Body),
        (false, None, None) => {
            faults.add("header", "say where the token is: header, query or body_token");
            None
        }
        (true, ..) => {
            faults.add("body_token", "the token is the body, or in header or query");
            None
        }
        (false, header, query) => {
            let name = header.as_ref().map(|name| HeaderName::from_bytes(name.as_bytes()));
            let Ok(name) = name.transpose() else {
                faults.add("header", "is not a header name");
                return None;
            };
            let prefix = params.prefix.clone().unwrap_or_default();
            if !prefix.bytes().all(|byte| byte == b' ' || byte.is_ascii_graphic()) || prefix.starts_with(' ')
            {
                faults.add("prefix", "must be visible ASCII characters");
            }
            let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
            if query.as_ref().is_some_and(|name| name.is_empty() || !name.bytes().all(plain)) {
                faults.add("query", "must be letters, digits and -._~");
            }
            Some(Place::Head { header: name.map(|name| Carrier { name, prefix }), query: query.clone() })
        }
    }
}

fn body(params: &JwtParams, faults: &mut Faults) -> Option<BodyRule> {
    let said = params.body_claim.is_some() || params.body_digest.is_some() || params.body.is_some();
    if params.body_token && said {
        faults.add("body", "the token is the body: body, body_claim and body_digest are not used");
    }
    let policy = params.body.unwrap_or_default();
    if !params.body_token && params.body_claim.is_none() {
        if params.body_digest.is_some() {
            faults.add("body_digest", "is that of a `body_claim`");
        }
        if policy.binds() {
            faults.add("body_claim", "say which claim has the body's digest, or body = \"optional\"");
        }
    }
    let digest = digest(params.body_digest.as_deref().unwrap_or("sha256-hex"));
    if digest.is_none() {
        faults.add("body_digest", "must be sha256 or sha512, then -hex, -base64 or -base64url");
    }
    let (hash, encoding) = digest?;
    Some(BodyRule { claim: params.body_claim.clone(), hash, encoding, policy })
}

fn digest(name: &str) -> Option<(Hash, Encoding)> {
    let (hash, encoding) = name.split_once('-')?;
    let hash = match hash {
        "sha256" => Hash::Sha256,
        "sha512" => Hash::Sha512,
        _ => return None,
    };
    let encoding = match encoding {
        "hex" => Encoding::Hex,
        "base64" => Encoding::Base64,
        "base64url" => Encoding::Base64Url,
        _ => return None,
    };
    Some((hash, encoding))
}

fn address(params: &JwtParams, faults: &mut Faults) -> Option<AddressRule> {
    let form = params.url_form.unwrap_or_default();
    if params.url_form.is_some() && params.url_claim.is_none() {
        faults.add("url_form", "is that of a `url_claim`");
    }
    if let Some(base) = &params.base_path {
        if form != AddressForm::Qsh {
            faults.add("base_path", "is only used with url_form = \"qsh\"");
        }
        if !base.starts_with('/') || base.ends_with('/') || base.contains('?') {
            faults.add("base_path", "must begin with a slash and not end with one");
        }
    }
    Some(AddressRule {
        claim: params.url_claim.clone()?,
        form,
        base_path: params.base_path.clone().unwrap_or_default(),
        token_parameter: params.query.clone(),
    })
}
