/** Carries notices out of the machine: to a webhook, and to the local mail system. */
import { spawn } from 'node:child_process';
import { HeadgateError } from '../../core/base/error.ts';
import type { NoticesSettings } from '../../core/settings/index.ts';
import type { Parts } from '../components.ts';
import type { Log } from '../log.ts';
import { type Complaint, mailOf, type Notice, Notices } from './notices.ts';

const timeoutMs = 10_000;

/** Tells those who are not looking what is not as it should be. */
export class Messenger {
  readonly #notices: Notices;
  readonly #log: Log;
  readonly #readSecret: (file: string) => string;
  readonly #onFailure: () => void;

  constructor(
    { hostName, log, readSecret }: Pick<Parts, 'hostName' | 'log' | 'readSecret'>,
    onFailure: () => void,
  ) {
    this.#notices = new Notices(hostName ?? 'unit');
    this.#log = log;
    this.#readSecret = readSecret;
    this.#onFailure = onFailure;
  }

  /** Sends what is due of the complaints that stand; what cannot be sent is logged and counted. */
  tell(at: number, complaints: readonly Complaint[], settings: NoticesSettings): void {
    const notice = this.#notices.turn(at, complaints, settings);
    if (!notice) return;
    this.#log.info({ summary: notice.summary }, 'notice');
    // It never rejects: what failed comes back.
    void sendNotice(notice, settings, this.#readSecret).then((failures) => {
      for (const { message } of failures) {
        this.#onFailure();
        this.#log.error({}, message);
      }
    });
  }
}

/** Sends a notice by every way that is set. Gives what failed; never throws. */
export async function sendNotice(
  notice: Notice,
  { webhook, mail }: NoticesSettings,
  readSecret: (file: string) => string,
): Promise<readonly HeadgateError[]> {
  const tries = await Promise.allSettled([
    ...(webhook ? [post(webhook, readSecret, notice)] : []),
    ...(mail ? [hand(mail.sendmail, mailOf(notice, mail))] : []),
  ]);
  return tries.flatMap((result) => (result.status === 'rejected' ? [asError(result.reason)] : []));
}

async function post(
  { url, urlFile }: NonNullable<NoticesSettings['webhook']>,
  readSecret: (file: string) => string,
  notice: Notice,
): Promise<void> {
  const target = urlFile === undefined ? url : readSecret(urlFile);
  const body = JSON.stringify(notice);
  const headers = { 'content-type': 'application/json' };
  let status: number;
  try {
    const signal = AbortSignal.timeout(timeoutMs);
    const response = await fetch(target ?? '', { method: 'POST', headers, body, signal });
    status = response.status;
    await response.body?.cancel();
  } catch {
    // Without the cause's text, which may have the address: that of a webhook is often its only key.
    throw new HeadgateError('webhook_failed', 'the webhook of notices cannot be reached', {
      retryable: true,
    });
  }
  if (status >= 300) {
    throw new HeadgateError('webhook_failed', `the webhook of notices answered ${status}`, {
      retryable: true,
    });
  }
}

function hand(sendmail: string, message: string): Promise<void> {
  return new Promise((resolve, reject) => {
    const fail = (reason: string) =>
      reject(new HeadgateError('mail_failed', `${sendmail} did not take a notice: ${reason}`));
    const child = spawn(sendmail, ['-t', '-i'], {
      stdio: ['pipe', 'ignore', 'ignore'],
      timeout: timeoutMs,
    });
    child.on('error', (cause) => fail(cause.message));
    child.on('close', (code, signal) =>
      code === 0 ? resolve() : fail(code === null ? `ended by ${signal}` : `exit code ${code}`),
    );
    // A program that ends without reading says so by its exit code.
    child.stdin.on('error', () => undefined);
    child.stdin.end(message);
  });
}

const asError = (reason: unknown): HeadgateError =>
  reason instanceof HeadgateError
    ? reason
    : new HeadgateError('notice_failed', 'a notice was not sent', { cause: reason });
