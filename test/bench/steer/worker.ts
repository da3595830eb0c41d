/** A thread of the bench: scores the stubs that it is sent, one after the other. */
import { parentPort } from 'node:worker_threads';
import { loadRelationships } from '../../support/relationships.ts';
import { type Job, scoreStub } from './stub.ts';

const topology = loadRelationships();
parentPort?.on('message', (job: Job) => parentPort?.postMessage(scoreStub(topology, job)));
