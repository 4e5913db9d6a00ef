use std::net::IpAddr;
use std::sync::Arc;

use super::{Budget, Exhausted, Share, Shed};
use crate::client::Address;

const KIB: u64 = 1024;

fn address(last: u8) -> Address {
    IpAddr::from([192, 0, 2, last]).into()
}

async fn charge(share: &mut Share, bytes: u64, last: bool) -> Result<(), Exhausted> {
    match share.charge(bytes, last) {
        Some(waiting) => waiting.await,
        None => Ok(()),
    }
}

/// A share of a body that has begun and will go on.
async fn holding(budget: &Arc<Budget>, client: u8, bytes: u64) -> Share {
    let mut share = budget.share(address(client));
    charge(&mut share, bytes, false).await.unwrap();
    share
}

#[tokio::test]
async fn shares_never_exceed_the_capacity_and_come_back_on_drop() {
    let budget = Budget::new(10);
    let mut one = budget.share(address(1));
    let mut two = budget.share(address(2));
    assert_eq!(charge(&mut one, 6, true).await, Ok(()));
    assert_eq!(charge(&mut two, 5, true).await, Err(Exhausted));
    assert_eq!(charge(&mut two, u64::MAX, true).await, Err(Exhausted));
    assert_eq!(budget.used(), 6);
    drop(one);
    assert_eq!(budget.used(), 0);
    drop(two);
    assert_eq!(budget.used(), 0);
}

#[tokio::test]
async fn what_is_new_is_refused_at_once_where_nobody_is_slow() {
    let budget = Budget::new(64 * KIB);
    let _held = [holding(&budget, 1, 32 * KIB).await, holding(&budget, 1, 32 * KIB).await];
    assert_eq!(charge(&mut budget.share(address(1)), KIB, false).await, Err(Exhausted));
    assert_eq!(budget.shed(Shed::New), 1);
    assert_eq!(budget.used(), 64 * KIB);
}

#[tokio::test]
async fn what_has_begun_waits_until_there_is_room() {
    let budget = Budget::new(64 * KIB);
    let mut waits = holding(&budget, 1, 32 * KIB).await;
    let done = holding(&budget, 1, 32 * KIB).await;
    done.verified();
    let end = async {
        tokio::task::yield_now().await;
        drop(done);
    };
    let (charged, ()) = tokio::join!(charge(&mut waits, 16 * KIB, true), end);
    assert_eq!(charged, Ok(()));
    assert_eq!(budget.used(), 48 * KIB);
    assert!(Shed::ALL.iter().all(|reason| budget.shed(*reason) == 0));
}

#[tokio::test]
async fn the_slowest_gives_way_when_nothing_moves() {
    let budget = Budget::new(64 * KIB);
    let slow = holding(&budget, 1, 24 * KIB).await;
    let mut fast = holding(&budget, 1, 40 * KIB).await;
    let gives_way = async {
        slow.given_up().await;
        drop(slow);
    };
    let (charged, ()) = tokio::join!(charge(&mut fast, 8 * KIB, false), gives_way);
    assert_eq!(charged, Ok(()));
    assert_eq!(budget.shed(Shed::Slow), 1);
}

#[tokio::test]
async fn the_slowest_that_waits_is_itself_refused() {
    let budget = Budget::new(64 * KIB);
    let mut slow = holding(&budget, 1, 24 * KIB).await;
    let _fast = holding(&budget, 1, 40 * KIB).await;
    assert_eq!(charge(&mut slow, 8 * KIB, false).await, Err(Exhausted));
    assert_eq!(budget.shed(Shed::Slow), 1);
}

#[tokio::test]
async fn a_verified_body_never_gives_way() {
    let budget = Budget::new(64 * KIB);
    let verified = holding(&budget, 1, 8 * KIB).await;
    verified.verified();
    let mut other = holding(&budget, 2, 56 * KIB).await;
    assert_eq!(charge(&mut other, KIB, false).await, Err(Exhausted));
    assert!(!verified.member.as_ref().unwrap().is_given_up());
}

#[tokio::test]
async fn a_drip_gives_way_to_what_is_new() {
    let budget = Budget::new(64 * KIB);
    let mut drips = Vec::new();
    for client in 0..8 {
        drips.push(holding(&budget, client, 64).await);
    }
    let _fast = [holding(&budget, 101, 32 * KIB).await, holding(&budget, 102, 31 * KIB).await];
    let gives_way = async {
        for drip in drips {
            drip.given_up().await;
            drop(drip);
        }
    };
    // There are 512 bytes left; the drips hold 512 more.
    let mut new = budget.share(address(103));
    let (charged, ()) = tokio::join!(charge(&mut new, KIB, true), gives_way);
    assert_eq!(charged, Ok(()));
}

#[tokio::test]
async fn an_address_that_holds_most_gives_way_to_others_down_to_an_eighth() {
    let budget = Budget::new(64 * KIB);
    let mut hogs = Vec::new();
    for _ in 0..16 {
        hogs.push(holding(&budget, 1, 4 * KIB).await);
    }
    // Another of its own is refused, for nobody else waits, and it holds all there is.
    assert_eq!(charge(&mut budget.share(address(1)), KIB, false).await, Err(Exhausted));
    let hogs = hogs.into_iter().map(|hog| async move {
        hog.given_up().await;
        drop(hog);
    });
    let hogs: Vec<_> = hogs.map(tokio::spawn).collect();
    let mut others = Vec::new();
    for client in 2..9 {
        others.push(holding(&budget, client, 8 * KIB).await);
    }
    assert_eq!(budget.shed(Shed::Address), 14);
    // An eighth is left to it.
    assert_eq!(charge(&mut budget.share(address(9)), KIB, false).await, Err(Exhausted));
    assert_eq!(hogs.iter().filter(|hog| !hog.is_finished()).count(), 2);
}

#[tokio::test]
async fn a_smaller_capacity_takes_nothing_away_and_adds_nothing_until_there_is_room() {
    let budget = Budget::new(64 * KIB);
    let held = holding(&budget, 1, 48 * KIB).await;
    budget.set_capacity(32 * KIB);
    assert_eq!(budget.used(), 48 * KIB);
    assert_eq!(charge(&mut budget.share(address(1)), KIB, false).await, Err(Exhausted));
    drop(held);
    let _held = holding(&budget, 1, 32 * KIB).await;
    assert_eq!(charge(&mut budget.share(address(1)), KIB, false).await, Err(Exhausted));
}

#[tokio::test]
async fn a_larger_capacity_lets_those_in_that_wait() {
    let budget = Budget::new(64 * KIB);
    let verified = holding(&budget, 1, 32 * KIB).await;
    verified.verified();
    let mut waits = holding(&budget, 1, 32 * KIB).await;
    let grow = async {
        tokio::task::yield_now().await;
        budget.set_capacity(80 * KIB);
    };
    let (charged, ()) = tokio::join!(charge(&mut waits, 16 * KIB, true), grow);
    assert_eq!(charged, Ok(()));
    assert_eq!(budget.used(), 80 * KIB);
}
