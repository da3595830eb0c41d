/** A thread of the bench: scores the jobs that it is sent, one after the other. */
import { parentPort } from 'node:worker_threads';
import { type Job, scoreSetup } from './score.ts';

parentPort?.on('message', (job: Job) => parentPort?.postMessage(scoreSetup(job)));
