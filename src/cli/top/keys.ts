/** What a key does to the look of `headgate top`. Pure. */
import type { Frame, Look } from './screen.ts';
import { listed, orders } from './screen.ts';

export interface KeyEffect {
  readonly look: Look;
  /** The person is done. */
  readonly isEnd?: boolean;
  /** A block to be explained. */
  readonly explain?: string;
}

/** In raw mode Ctrl-C comes as a character. */
const ctrlC = '\u0003';
const esc = '\u001b';
const up = '\u001b[A';
const down = '\u001b[B';
const enter = '\r';
const backspace = new Set(['\u007f', '\b']);

/** Keys that came in one piece, as over a slow line: control sequences whole, everything else by character. */
export function keysOf(typed: string): readonly string[] {
  const keys: string[] = [];
  for (let i = 0; i < typed.length; i += keys.at(-1)?.length ?? 1) {
    keys.push(typed.startsWith(`${esc}[`, i) ? typed.slice(i, i + 3) : (typed[i] ?? ''));
  }
  return keys;
}

export function press(key: string, look: Look, frame: Frame): KeyEffect {
  if (key === ctrlC) return { look, isEnd: true };
  if (look.explained) {
    const { explained: _, ...rest } = look;
    if (key === 'q') return { look, isEnd: true };
    return { look: key === esc || key === enter ? rest : look };
  }
  if (look.isTyping) return { look: type(key, look) };
  const rows = listed(frame.blocks, look);
  const cursor = Math.min(look.cursor, Math.max(0, rows.length - 1));
  switch (key) {
    case 'q':
      return { look, isEnd: true };
    case 's': {
      const next = orders[(orders.indexOf(look.order) + 1) % orders.length] ?? 'rate';
      return { look: { ...look, order: next, cursor: 0 } };
    }
    case '/':
      return { look: { ...look, isTyping: true, filter: '', cursor: 0 } };
    case esc:
      return { look: { ...look, filter: '', cursor: 0 } };
    case 'j':
    case down:
      return { look: { ...look, cursor: Math.min(cursor + 1, Math.max(0, rows.length - 1)) } };
    case 'k':
    case up:
      return { look: { ...look, cursor: Math.max(0, cursor - 1) } };
    case enter: {
      const chosen = rows[cursor];
      return chosen ? { look, explain: chosen.prefix } : { look };
    }
    default:
      return { look };
  }
}

function type(key: string, look: Look): Look {
  if (key === enter) return { ...look, isTyping: false };
  if (key === esc) return { ...look, isTyping: false, filter: '' };
  if (backspace.has(key)) return { ...look, filter: look.filter.slice(0, -1) };
  return /^[\x20-\x7e]$/.test(key) ? { ...look, filter: look.filter + key } : look;
}
