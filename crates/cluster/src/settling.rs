//! Waits until what was changed is on the disk. It must not know what was.

use crate::store::Store;

impl Store {
    /// How often changes have been taken back.
    ///
    /// # Errors
    /// The same, with what the disk said, when it takes nothing at present.
    pub(crate) fn failures(&self) -> Result<u64, (u64, String)> {
        let Some(progress) = self.progress() else {
            return Ok(0);
        };
        let progress = progress.borrow();
        match &progress.problem {
            Some(problem) => Err((progress.failures, problem.clone())),
            None => Ok(progress.failures),
        }
    }

    /// Waits until everything up to now is on the disk, if nothing has been taken back since
    /// changes had been taken back that many times.
    ///
    /// # Errors
    /// What the disk said.
    pub(crate) async fn settled_since(&self, failures: u64) -> Result<(), String> {
        let Some(mut progress) = self.progress() else {
            return Ok(());
        };
        let wanted = self.revision();
        let reached = progress.wait_for(|progress| {
            progress.revision >= wanted
                || progress.failures != failures
                || progress.problem.is_some()
        });
        let Ok(reached) = reached.await else {
            return Err("the writer has stopped".to_owned());
        };
        match &reached.problem {
            Some(problem) => Err(problem.clone()),
            None if reached.failures != failures => {
                Err("the disk took nothing for a while".to_owned())
            }
            None => Ok(()),
        }
    }
}
