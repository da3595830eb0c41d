const esc = '\u001b';
/** A sequence that is understood, another one, one whose end has not come yet, a character. */
const tokenPattern = new RegExp(
  String.raw`${esc}\[([?\d;]*)([@-~])|${esc}[^[]|(${esc}(?:\[[?\d;]*)?$)|[^${esc}]`,
  'gu',
);

/**
 * What a terminal shows of the bytes that a program wrote: enough of ECMA-48 for our own screens and Node's readline.
 * Says what a person would see as a fault: lines that wrapped, screens that scrolled, sequences it does not know.
 */
export class Screen {
  #columns: number;
  #rows: number;
  #cells: string[][];
  #x = 0;
  #y = 0;
  #kept: string[][] | undefined;
  #rest = '';
  /** Everything that was ever written, with its control sequences. */
  raw = '';
  wrapped = 0;
  scrolled = 0;
  hasCursor = true;
  readonly unknown = new Set<string>();

  constructor(columns: number, rows: number) {
    this.#columns = columns;
    this.#rows = rows;
    this.#cells = blank(columns, rows);
  }

  /** The alternate screen is shown: what was there before comes back with its end. */
  get isAlternate(): boolean {
    return this.#kept !== undefined;
  }

  get lines(): readonly string[] {
    return this.#cells.map((row) => row.join('').trimEnd());
  }

  get text(): string {
    return this.lines.join('\n');
  }

  /** Keeps the upper left part, as xterm does. */
  resize(columns: number, rows: number): void {
    const before = this.#cells;
    this.#columns = columns;
    this.#rows = rows;
    this.#cells = blank(columns, rows).map((row, y) => row.map((_, x) => before[y]?.[x] ?? ' '));
    this.#x = Math.min(this.#x, columns - 1);
    this.#y = Math.min(this.#y, rows - 1);
  }

  write(text: string): void {
    this.raw += text;
    const all = this.#rest + text;
    const tokens = all.matchAll(tokenPattern);
    this.#rest = '';
    for (const [token, parameters = '', final, begun] of tokens) {
      if (begun !== undefined) this.#rest = begun;
      else if (final !== undefined) this.#sequence(parameters, final);
      else if (token.startsWith(esc)) this.unknown.add(token);
      else this.#character(token);
    }
  }

  #character(character: string): void {
    if (character === '\r') this.#x = 0;
    else if (character === '\n') this.#down();
    else if (character === '\b') this.#x = Math.max(0, this.#x - 1);
    else if (character >= ' ') {
      if (this.#x >= this.#columns) {
        this.wrapped++;
        this.#x = 0;
        this.#down();
      }
      const row = this.#cells[this.#y];
      if (row) row[this.#x] = character;
      this.#x++;
    }
  }

  #down(): void {
    if (this.#y < this.#rows - 1) this.#y++;
    else {
      this.scrolled++;
      this.#cells = [...this.#cells.slice(1), Array(this.#columns).fill(' ')];
    }
  }

  #sequence(parameters: string, final: string): void {
    const [first = 0, second = 0] = parameters.split(';').map(Number);
    switch (final) {
      case 'm':
        return;
      case 'H':
        this.#y = Math.max(1, first) - 1;
        this.#x = Math.max(1, second) - 1;
        return;
      case 'G':
        this.#x = Math.max(1, first) - 1;
        return;
      case 'A':
        this.#y = Math.max(0, this.#y - Math.max(1, first));
        return;
      case 'K':
        this.#clear(this.#y, this.#x);
        return;
      case 'J':
        this.#clear(this.#y, this.#x);
        for (let y = this.#y + 1; y < this.#rows; y++) this.#clear(y, 0);
        return;
      case 'h':
      case 'l':
        this.#mode(parameters, final === 'h');
        return;
      default:
        this.unknown.add(`${parameters}${final}`);
    }
  }

  #mode(mode: string, isOn: boolean): void {
    if (mode === '?25') this.hasCursor = isOn;
    else if (mode === '?1049' && isOn) {
      this.#kept = this.#cells;
      this.#cells = blank(this.#columns, this.#rows);
    } else if (mode === '?1049') {
      this.#cells = this.#kept ?? this.#cells;
      this.#kept = undefined;
    } else if (mode !== '?2004') this.unknown.add(mode);
  }

  #clear(y: number, from: number): void {
    this.#cells[y]?.fill(' ', from);
  }
}

const blank = (columns: number, rows: number): string[][] =>
  Array.from({ length: rows }, () => Array<string>(columns).fill(' '));
