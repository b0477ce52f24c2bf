//! A second try beside a slow first one.
//!
//! Both exchanges run against a [`Contender`] each. The one whose response head comes first asks
//! for the downstream and gets it; the other is dropped, and its connection with it.

use std::future::{Future, pending};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tidegate_http::{FieldList, Framing, ResponseHead};
use tokio::sync::{mpsc, oneshot};

use crate::downstream::{Downstream, DownstreamGone, ResponseFraming};
use crate::group::{Group, RetryGuard};
use crate::outbound::Outbound;
use crate::outcome::{Outcome, Stage};
use crate::plan::Plan;
use crate::upstreams::Upstreams;

/// The downstream of an exchange that may not be the one to answer.
struct Contender<D> {
    number: usize,
    claims: mpsc::Sender<Claim<D>>,
    won: Option<D>,
}

/// A contender that has a response, and where it waits for the downstream.
struct Claim<D> {
    number: usize,
    grant: oneshot::Sender<D>,
}

/// An exchange that is under way.
type Running<'a, D> = Pin<Box<dyn Future<Output = (Contender<D>, Outcome)> + Send + 'a>>;

/// What a round of waiting brought.
enum Event<D> {
    Gone,
    Claimed(Claim<D>),
    Ended(usize, Outcome),
    Late,
}

impl Upstreams {
    /// Like [`exchange`](Self::exchange); when no response head has come after `after`, a second
    /// server is asked too, and the first answer counts. Only for requests that are safe and have
    /// no body; the second try takes a place in the group's retry budget, or does not happen.
    pub async fn exchange_hedged<D: Downstream>(
        &self,
        group: &Arc<Group>,
        request: Outbound,
        downstream: D,
        after: Duration,
    ) -> (D, Outcome) {
        if !request.method.is_safe()
            || request.framing != Framing::Empty
            || request.upgrade.is_some()
        {
            return self.exchange(group, request, downstream).await;
        }
        let plan = match Plan::new(group, request) {
            Ok(plan) => Arc::new(plan),
            Err(fault) => return (downstream, Outcome::Failed(fault)),
        };
        self.race(plan, downstream, after).await
    }

    async fn race<D: Downstream>(
        &self,
        plan: Arc<Plan>,
        downstream: D,
        after: Duration,
    ) -> (D, Outcome) {
        let mut downstream = downstream;
        let (claims, mut claimed) = mpsc::channel(2);
        let mut running: [Option<Running<'_, D>>; 2] = [None, None];
        running[0] = Some(self.contend(0, Arc::clone(&plan), &claims));
        let mut late = pin!(tokio::time::sleep(after));
        let mut place = None;
        loop {
            let hedged = place.is_some();
            let event = tokio::select! {
                DownstreamGone = downstream.idle() => Event::Gone,
                Some(claim) = claimed.recv() => Event::Claimed(claim),
                (number, outcome) = next(&mut running) => Event::Ended(number, outcome),
                () = late.as_mut(), if !hedged => Event::Late,
            };
            match event {
                Event::Gone => return (downstream, plan.failed(Stage::Client, "gone")),
                Event::Claimed(claim) => {
                    let winner = running[claim.number].take();
                    match (winner, claim.grant.send(downstream)) {
                        (Some(winner), Ok(())) => {
                            drop(running);
                            return kept(winner.await);
                        }
                        // It ran out of time while it waited for the grant.
                        (winner, Err(back)) => {
                            running[claim.number] = winner;
                            downstream = back;
                        }
                        (None, Ok(())) => {
                            unreachable!("a contender waits for the grant only while it runs")
                        }
                    }
                }
                Event::Ended(number, outcome) => {
                    running[number] = None;
                    if running.iter().all(Option::is_none) {
                        return (downstream, outcome);
                    }
                }
                Event::Late => {
                    place = Some(RetryGuard::enter(&plan.group));
                    plan.group.count_retry(matches!(place, Some(Some(_))));
                    if let Some(Some(_)) = place {
                        running[1] = Some(self.contend(1, Arc::new(plan.beside()), &claims));
                    }
                }
            }
        }
    }

    fn contend<'a, D: Downstream>(
        &'a self,
        number: usize,
        plan: Arc<Plan>,
        claims: &mpsc::Sender<Claim<D>>,
    ) -> Running<'a, D> {
        let contender = Contender { number, claims: claims.clone(), won: None };
        Box::pin(self.run(plan, contender))
    }
}

/// What a contender that was granted the downstream gives back.
fn kept<D: Downstream>((contender, outcome): (Contender<D>, Outcome)) -> (D, Outcome) {
    let Some(downstream) = contender.won else {
        unreachable!("a contender keeps the downstream it was granted")
    };
    (downstream, outcome)
}

/// The next exchange that ends without having claimed.
async fn next<D: Downstream>(running: &mut [Option<Running<'_, D>>; 2]) -> (usize, Outcome) {
    let [first, second] = running;
    tokio::select! {
        (_, outcome) = or_never(first) => (0, outcome),
        (_, outcome) = or_never(second) => (1, outcome),
    }
}

async fn or_never<D: Downstream>(running: &mut Option<Running<'_, D>>) -> (Contender<D>, Outcome) {
    match running {
        Some(running) => running.await,
        None => pending().await,
    }
}

impl<D: Downstream> Contender<D> {
    async fn claim(&mut self) -> Result<&mut D, DownstreamGone> {
        if self.won.is_none() {
            let (grant, granted) = oneshot::channel();
            let claim = Claim { number: self.number, grant };
            self.claims.send(claim).await.map_err(|_| DownstreamGone)?;
            self.won = Some(granted.await.map_err(|_| DownstreamGone)?);
        }
        self.won.as_mut().ok_or(DownstreamGone)
    }
}

impl<D: Downstream> Downstream for Contender<D> {
    async fn idle(&mut self) -> DownstreamGone {
        match &mut self.won {
            Some(downstream) => downstream.idle().await,
            None => pending().await,
        }
    }

    async fn write_informational(&mut self, head: &ResponseHead) -> Result<(), DownstreamGone> {
        self.claim().await?.write_informational(head).await
    }

    async fn write_head(
        &mut self,
        head: ResponseHead,
        framing: ResponseFraming,
    ) -> Result<(), DownstreamGone> {
        self.claim().await?.write_head(head, framing).await
    }

    async fn write_body(&mut self, data: Bytes) -> Result<(), DownstreamGone> {
        self.claim().await?.write_body(data).await
    }

    async fn flush(&mut self) -> Result<(), DownstreamGone> {
        self.claim().await?.flush().await
    }

    async fn finish(&mut self, trailers: Option<FieldList>) -> Result<(), DownstreamGone> {
        self.claim().await?.finish(trailers).await
    }
}
