//! Why a credential was not accepted: the closed set that metrics, decision records and deliveries use.

/// One reason. The names are stable.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(usize)]
pub enum Reason {
    /// There is none.
    Absent,
    /// It, or what belongs to it, occurs twice.
    Duplicate,
    /// It does not have the form that it must have.
    Malformed,
    /// It leads to no record.
    UnknownKey,
    /// The record is disabled, or was revoked while the request was read.
    Inactive,
    /// The record has expired.
    Expired,
    /// The caller's address is not allowed.
    Address,
    /// The signed timestamp is missing or not a time.
    TimestampMissing,
    /// It is too old.
    TimestampOld,
    /// It is too far in the future.
    TimestampFuture,
    /// The body is empty and must not be.
    BodyEmpty,
    /// The method is one that the signature cannot open.
    Method,
    /// No secret matches.
    Mismatch,
    /// The body is not bound where it must be.
    UnboundBody,
    /// Not every credential that the route asks for, or not for this route.
    RequireFailed,
    /// Keys are not available.
    StoreUnavailable,
    /// Too many body bytes are in flight.
    OverBudget,
    /// A fault of ours.
    Internal,
}

impl Reason {
    /// Every reason, in order of declaration.
    pub const ALL: [Self; 18] = [
        Self::Absent,
        Self::Duplicate,
        Self::Malformed,
        Self::UnknownKey,
        Self::Inactive,
        Self::Expired,
        Self::Address,
        Self::TimestampMissing,
        Self::TimestampOld,
        Self::TimestampFuture,
        Self::BodyEmpty,
        Self::Method,
        Self::Mismatch,
        Self::UnboundBody,
        Self::RequireFailed,
        Self::StoreUnavailable,
        Self::OverBudget,
        Self::Internal,
    ];

    /// The stable name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Absent => "absent",
            Self::Duplicate => "duplicate",
            Self::Malformed => "malformed",
            Self::UnknownKey => "unknown_key",
            Self::Inactive => "inactive",
            Self::Expired => "expired",
            Self::Address => "address",
            Self::TimestampMissing => "timestamp_missing",
            Self::TimestampOld => "timestamp_old",
            Self::TimestampFuture => "timestamp_future",
            Self::BodyEmpty => "body_empty",
            Self::Method => "method",
            Self::Mismatch => "mismatch",
            Self::UnboundBody => "unbound_body",
            Self::RequireFailed => "require_failed",
            Self::StoreUnavailable => "store_unavailable",
            Self::OverBudget => "over_budget",
            Self::Internal => "internal",
        }
    }
}
