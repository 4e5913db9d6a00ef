//! What every backend of `Store` does, one function for each behaviour.
//!
//! Not what a backend does beyond the trait (`tests/store.rs`). Each function gets a namespace of its own,
//! empty and not initialised; [`store_conformance!`] makes a test of each. Nothing here assumes more of a
//! position than that it grows.

mod answers;
mod claims;
mod commits;
mod deliveries;
mod log;
mod staging;
pub(crate) mod steps;
mod trim;
mod uses;

use std::sync::Arc;

use countersign::store::Store;

pub(crate) use answers::{
    a_change_that_is_refused_keeps_no_answer,
    a_second_change_under_an_answers_id_is_refused_until_its_time_is_over,
    an_answer_is_kept_with_its_change_for_its_time,
};
pub(crate) use claims::{
    a_claim_is_free_after_its_record_is_deleted, a_claim_is_free_once_it_is_released,
    a_claim_moves_between_records_in_one_change, a_record_may_claim_again_what_it_holds,
    releasing_what_another_record_holds_releases_nothing, two_records_cannot_hold_one_claim,
    two_records_of_one_change_cannot_hold_one_claim, what_a_record_holds_is_told_by_its_key,
};
pub(crate) use commits::{
    a_commit_is_all_or_nothing, a_commit_with_a_stale_head_changes_nothing,
    a_delete_with_a_wrong_expected_revision_is_refused, a_namespace_without_an_epoch_is_a_fault,
    a_new_namespace_is_empty, a_person_takes_over_what_a_sidecar_began,
    a_put_with_a_wrong_expected_revision_is_refused, a_required_record_must_exist,
    a_revision_that_does_not_grow_is_refused, an_epoch_says_how_it_came_to_be,
    init_keeps_an_epoch_that_stands, one_record_cannot_change_twice_in_one_change,
};
pub(crate) use deliveries::{
    a_flood_of_refusals_displaces_only_refusals_of_its_integration, deliveries_come_back_newest_first,
    deliveries_go_after_a_while,
};
pub(crate) use log::{
    a_change_of_nothing_is_still_audited, a_follower_that_waits_gets_the_next_commit,
    a_snapshot_and_the_log_after_it_give_the_same_records_as_reading_at_the_end, a_store_knows_its_own_past,
    audit_events_can_be_read_from_the_end, audit_events_come_back_in_order,
    concurrent_writers_keep_one_unbroken_chain, following_another_epoch_is_refused,
    following_from_an_unknown_place_is_a_gap, following_with_nothing_new_gives_an_empty_answer,
    the_log_replays_every_commit_in_order,
};
pub(crate) use staging::{
    a_set_takes_a_namespace_that_was_only_initialised, a_set_takes_no_namespace_that_holds_something,
    a_set_that_is_not_whole_is_not_installed, a_set_with_two_holders_of_one_claim_is_refused,
    a_staged_set_counts_when_it_is_installed_and_not_before, an_empty_set_is_a_set,
    an_installed_set_is_a_namespace_like_any_other, what_an_interrupted_set_left_is_dropped_by_the_next,
};
pub(crate) use trim::{
    a_checkpoint_alone_can_be_replaced, a_namespace_without_an_epoch_has_no_checkpoint_to_tell,
    a_trim_of_anything_but_what_was_read_changes_nothing, of_two_trims_at_once_one_counts,
    trimmed_events_give_way_to_a_checkpoint,
};
pub(crate) use uses::{
    a_batch_that_is_sent_again_counts_once, the_use_of_a_deleted_record_is_forgotten,
    uses_are_summed_up_and_times_never_go_back,
};

/// A store with an empty namespace, and whatever must live as long as it does.
pub(crate) struct Fresh {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) keep: Box<dyn std::any::Any + Send>,
}

/// Makes one test of each behaviour. Takes an async function that gives a [`Fresh`].
macro_rules! store_conformance {
    ($fresh:path) => {
        $crate::support::store_conformance::store_conformance! { @each $fresh;
            a_namespace_without_an_epoch_is_a_fault
            init_keeps_an_epoch_that_stands
            an_epoch_says_how_it_came_to_be
            a_person_takes_over_what_a_sidecar_began
            a_new_namespace_is_empty
            a_commit_is_all_or_nothing
            a_commit_with_a_stale_head_changes_nothing
            two_records_cannot_hold_one_claim
            two_records_of_one_change_cannot_hold_one_claim
            a_claim_is_free_after_its_record_is_deleted
            a_claim_moves_between_records_in_one_change
            what_a_record_holds_is_told_by_its_key
            a_record_may_claim_again_what_it_holds
            a_claim_is_free_once_it_is_released
            releasing_what_another_record_holds_releases_nothing
            a_required_record_must_exist
            a_put_with_a_wrong_expected_revision_is_refused
            a_delete_with_a_wrong_expected_revision_is_refused
            a_revision_that_does_not_grow_is_refused
            one_record_cannot_change_twice_in_one_change
            a_change_of_nothing_is_still_audited
            the_log_replays_every_commit_in_order
            a_snapshot_and_the_log_after_it_give_the_same_records_as_reading_at_the_end
            a_store_knows_its_own_past
            following_with_nothing_new_gives_an_empty_answer
            a_follower_that_waits_gets_the_next_commit
            following_from_an_unknown_place_is_a_gap
            following_another_epoch_is_refused
            audit_events_come_back_in_order
            audit_events_can_be_read_from_the_end
            concurrent_writers_keep_one_unbroken_chain
            an_answer_is_kept_with_its_change_for_its_time
            a_second_change_under_an_answers_id_is_refused_until_its_time_is_over
            a_change_that_is_refused_keeps_no_answer
            trimmed_events_give_way_to_a_checkpoint
            a_trim_of_anything_but_what_was_read_changes_nothing
            of_two_trims_at_once_one_counts
            a_checkpoint_alone_can_be_replaced
            a_namespace_without_an_epoch_has_no_checkpoint_to_tell
            a_staged_set_counts_when_it_is_installed_and_not_before
            an_installed_set_is_a_namespace_like_any_other
            what_an_interrupted_set_left_is_dropped_by_the_next
            a_set_takes_no_namespace_that_holds_something
            a_set_takes_a_namespace_that_was_only_initialised
            a_set_with_two_holders_of_one_claim_is_refused
            a_set_that_is_not_whole_is_not_installed
            an_empty_set_is_a_set
            uses_are_summed_up_and_times_never_go_back
            a_batch_that_is_sent_again_counts_once
            the_use_of_a_deleted_record_is_forgotten
            deliveries_come_back_newest_first
            a_flood_of_refusals_displaces_only_refusals_of_its_integration
            deliveries_go_after_a_while
        }
    };
    (@each $fresh:path; $($behaviour:ident)*) => {
        $(#[tokio::test]
        async fn $behaviour() {
            let fresh = $fresh().await;
            $crate::support::store_conformance::$behaviour(&fresh.store).await;
            drop(fresh.keep);
        })*
    };
}
pub(crate) use store_conformance;
