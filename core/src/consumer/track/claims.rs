//! The claims on partitions, as they are read and written: owners and their challengers.

use super::super::handler::{Handler, TransactionOf};
use super::super::lease::Claim;
use super::super::notes::{self, Challenge, Lease, NoteError};
use super::{Track, TrackError};
use crate::place::Position;
use crate::store::Store;

impl<S: Store, H: Handler> Track<'_, S, H> {
    pub(super) async fn claims(
        &self,
        transaction: &mut TransactionOf<H>,
    ) -> Result<Vec<Claim>, NoteError> {
        let mut claims = Vec::new();
        for partition in 0..self.plan.partitions {
            claims.push(self.claim(transaction, partition).await?);
        }
        Ok(claims)
    }

    async fn claim(
        &self,
        transaction: &mut TransactionOf<H>,
        partition: u32,
    ) -> Result<Claim, NoteError> {
        let (notes, keys) = (self.context.handler.notes(), self.context.keys);
        let number = self.plan.generation;
        let key = keys.lease(number, self.plan.leases_of, partition);
        let lease: Option<Lease> = notes::get(notes, transaction, &key).await?;
        let key = keys.challenge(number, self.plan.leases_of, partition);
        let challenge: Option<Challenge> = notes::get(notes, transaction, &key).await?;
        Ok(Claim {
            lease: lease.unwrap_or_default(),
            challenge: challenge.unwrap_or_default(),
        })
    }

    /// Writes what has changed of a claim.
    pub(super) async fn put_claim(
        &self,
        transaction: &mut TransactionOf<H>,
        index: usize,
        before: &Claim,
        claim: &Claim,
    ) -> Result<(), NoteError> {
        let (notes, keys) = (self.context.handler.notes(), self.context.keys);
        let number = self.plan.generation;
        let partition = u32::try_from(index).unwrap_or(u32::MAX);
        if claim.lease != before.lease {
            let key = keys.lease(number, self.plan.leases_of, partition);
            notes::put(notes, transaction, &key, &claim.lease).await?;
        }
        if claim.challenge != before.challenge {
            let key = keys.challenge(number, self.plan.leases_of, partition);
            notes::put(notes, transaction, &key, &claim.challenge).await?;
        }
        Ok(())
    }

    /// Writes the checkpoints, gives back the leases, and withdraws all challenges, so that others need not wait. The last
    /// of several tracks gives back a lease that they share.
    pub(super) async fn leave(&mut self) -> Result<(), TrackError> {
        self.finish_saving().await?;
        if self.member.is_some() {
            // The lease must not be gone before all have written theirs.
            self.save().await?;
            self.owned.clear();
        }
        if self.member.as_mut().is_some_and(|member| !member.end()) {
            return Ok(());
        }
        // Including leases that were forgotten after a failure. Those of others stay as they are.
        let mut transaction = self.begin_read().await?;
        let claims = self.claims(&mut transaction).await?;
        drop(transaction);
        let concerned = self.leases.leave(&claims);
        let mut transaction = self.begin().await?;
        if !self.owned.is_empty() {
            self.check_leases(&mut transaction).await?;
            self.put_checkpoints(&mut transaction, Position::ZERO)
                .await?;
        }
        let mut is_any = false;
        for (index, _) in concerned {
            let partition = u32::try_from(index).unwrap_or(u32::MAX);
            let claim = self.claim(&mut transaction, partition).await?;
            for (_, left) in self.leases.leave(std::slice::from_ref(&claim)) {
                self.put_claim(&mut transaction, index, &claim, &left)
                    .await?;
                is_any = true;
            }
        }
        if is_any {
            let notes = self.context.handler.notes();
            notes::commit(notes, transaction).await?;
        }
        self.owned.clear();
        Ok(())
    }
}
