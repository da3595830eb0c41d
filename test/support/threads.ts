/** The same work on many inputs, spread over the processors: benches that compute for minutes. */
import { availableParallelism } from 'node:os';
import { Worker } from 'node:worker_threads';

/**
 * The answers to `jobs` in their order. `worker` is a module that answers each message with one; its failure is
 * thrown here.
 */
export async function answersOf<Job, Answer>(
  worker: URL,
  jobs: readonly Job[],
): Promise<readonly Answer[]> {
  const found: Answer[] = [];
  let next = 0;
  const threads = Array.from({ length: Math.min(availableParallelism(), 8) }, async () => {
    const thread = new Worker(worker);
    try {
      for (let i = next++; i < jobs.length; i = next++) {
        const answer = new Promise<Answer>((resolve, reject) => {
          thread.once('message', resolve);
          thread.once('error', reject);
        });
        thread.postMessage(jobs[i]);
        found[i] = await answer;
        thread.removeAllListeners('error');
      }
    } finally {
      await thread.terminate();
    }
  });
  await Promise.all(threads);
  return found;
}
