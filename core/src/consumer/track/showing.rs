//! What a track shows of itself in the status of its consumer.

use super::super::handler::Handler;
use super::super::status::{ConsumerState, Rebuild};
use super::Track;
use crate::place::Position;
use crate::store::Store;

impl<S: Store, H: Handler> Track<'_, S, H> {
    /// Shows its state, and its place, which moves back when a partition is taken over.
    pub(super) fn report(
        &self,
        position: Position,
        end: Position,
        bound: Option<Position>,
        is_full: bool,
    ) {
        let place = self.plan.place(position);
        let (owned, parked) = (self.owned.len(), self.parked.len());
        let state = if is_full {
            ConsumerState::CatchingUp
        } else {
            ConsumerState::Live
        };
        self.progress().update(|status| {
            status.end = self.plan.place(end);
            if let Some(target) = bound {
                let target = self.plan.place(target);
                status.rebuild = Some(Rebuild { place, target });
                if !self.plan.is_alongside {
                    // No worker here keeps the old views up to date: they stay where they are.
                    status.state = ConsumerState::Rebuilding;
                    status.place = target;
                }
                return;
            }
            status.state = state;
            status.place = place;
            status.parked = parked;
            status.partitions = u32::try_from(owned).unwrap_or(u32::MAX);
            status.all_partitions = self.plan.partitions;
        });
    }

    /// Shows its progress.
    pub(super) fn show(&mut self) {
        let (place, parked) = (self.plan.place(self.position()), self.parked.len());
        let handled = std::mem::take(&mut self.handled);
        self.progress().update(|status| {
            status.handled += handled;
            if self.plan.replaces.is_none() {
                status.place = place;
                status.parked = parked;
            }
        });
    }

    /// Waits until others give something up.
    pub(super) async fn stand_by(&self, wake_count: u64) {
        // If the old views are kept up to date here, the status describes those.
        if !self.plan.is_alongside {
            let progress = self.progress();
            let is_new = progress.state() != ConsumerState::Standby;
            progress.update(|status| {
                status.state = ConsumerState::Standby;
                status.partitions = 0;
            });
            if is_new && let Some(why) = self.context.handler.why_standby(self.plan.log).await {
                progress.failed(ConsumerState::Standby, None, 0, why);
            }
        }
        let time = self.check_interval();
        self.context.control.pause(wake_count, time).await;
    }
}
