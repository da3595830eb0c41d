import * as fs from 'node:fs';
import { dirname } from 'node:path';

/** What is used of the file system; a test cuts it at every point. */
export type Files = Pick<
  typeof fs,
  'openSync' | 'fchmodSync' | 'writeSync' | 'fsyncSync' | 'closeSync' | 'renameSync' | 'rmSync'
>;

/**
 * Writes a file so that whoever looks, also after a power failure at any moment, finds the whole of what was there
 * before or the whole of the new. A leftover of an earlier cut is written over. Throws what the file system throws.
 */
export function replaceFile(path: string, text: string, mode: number, files: Files = fs): void {
  const draft = `${path}.new`;
  const file = files.openSync(draft, 'w', mode);
  try {
    // The draft of an earlier try keeps its mode, and the process may mask what it was given.
    files.fchmodSync(file, mode);
    const bytes = Buffer.from(text);
    for (let at = 0; at < bytes.length; ) at += files.writeSync(file, bytes, at);
    files.fsyncSync(file);
  } catch (error) {
    files.closeSync(file);
    files.rmSync(draft, { force: true });
    throw error;
  }
  files.closeSync(file);
  files.renameSync(draft, path);
  const folder = files.openSync(dirname(path), 'r');
  files.fsyncSync(folder);
  files.closeSync(folder);
}
