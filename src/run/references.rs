//! What reference programs leave, kept by content: the same program with the same files and inputs is
//! run once, however many replies are compared with it.

use std::collections::HashMap;
use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hash, Hasher};
use std::sync::{Arc, Mutex};

use tokio::sync::OnceCell;

use crate::backend::Backend;
use crate::execution::{Execution, InfrastructureError, JobResult};
use crate::program::Job;

/// Results of one generation; then they are old, and forgotten unless they are asked for again.
const GENERATION: usize = 2048;
/// Bytes of what the results of one generation hold.
const GENERATION_BYTES: usize = 64 * 1024 * 1024;

type Kept = Arc<OnceCell<Arc<JobResult>>>;
/// 128 bits of hashes with random keys, which nobody can aim at.
type Key = (u64, u64);

/// Results by the content of their jobs.
#[derive(Debug, Default)]
pub(super) struct References {
    keys: (RandomState, RandomState),
    kept: Mutex<Generations>,
}

#[derive(Debug, Default)]
struct Generations {
    young: HashMap<Key, Kept>,
    old: HashMap<Key, Kept>,
    young_bytes: usize,
}

impl References {
    /// The result of a job, run now unless it is known. Two who ask at once wait for one run.
    pub(super) async fn result(
        &self,
        backend: &Backend<'_>,
        job: &Job,
    ) -> Result<Arc<JobResult>, InfrastructureError> {
        let key = (
            hash(&self.keys.0, backend, job),
            hash(&self.keys.1, backend, job),
        );
        let kept = self.lock().get(key);
        let result = kept
            .get_or_try_init(|| async {
                let result = backend.execute(job).await?;
                self.lock().young_bytes += result.runs.iter().map(bytes).sum::<usize>();
                Ok(Arc::new(result))
            })
            .await?;
        Ok(Arc::clone(result))
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Generations> {
        self.kept
            .lock()
            .expect("nobody panics while it looks at what is kept")
    }
}

impl Generations {
    fn get(&mut self, key: Key) -> Kept {
        if let Some(kept) = self.young.get(&key) {
            return Arc::clone(kept);
        }
        if self.young.len() >= GENERATION || self.young_bytes >= GENERATION_BYTES {
            self.old = std::mem::take(&mut self.young);
            self.young_bytes = 0;
        }
        let kept = self.old.remove(&key).unwrap_or_default();
        self.young.insert(key, Arc::clone(&kept));
        kept
    }
}

fn bytes(run: &Execution) -> usize {
    let files = run.files.iter().flat_map(|file| &file.content);
    run.stdout.text.len()
        + run.stderr.text.len()
        + files.map(|content| content.text.len()).sum::<usize>()
}

fn hash(keys: &RandomState, backend: &Backend<'_>, job: &Job) -> u64 {
    let mut hasher = keys.build_hasher();
    matches!(backend, Backend::Local(_)).hash(&mut hasher);
    let program = &*job.program;
    program.interpreter.hash(&mut hasher);
    program.files.hash(&mut hasher);
    program.build.hash(&mut hasher);
    program.limits.hash(&mut hasher);
    program.network.hash(&mut hasher);
    program.cloud.hash(&mut hasher);
    job.runs.hash(&mut hasher);
    hasher.finish()
}
