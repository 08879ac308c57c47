/** Which notes keys and MIDI instruments play. */

export const HIGHEST = 127;
export const MIDDLE_C = 60;
const OCTAVE = 12;
// White keys on the middle row of letters, black keys above them.
const LETTERS = "awsedftgyhujkolp";
const NOTE_OFF = 0x80;
const NOTE_ON = 0x90;
const CONTROL = 0xb0;
const PEDAL = 64;
const ALL_OFF = [120, 123];

/** The pitch of a letter, with C on `a`; null = it is no key of the piano. */
export function pitchOf(letter, lowest) {
  const semitone = LETTERS.indexOf(letter);
  return letter.length === 1 && semitone >= 0 ? lowest + semitone : null;
}

/** The lowest pitch after a move by octaves, as long as all letters stay within MIDI's pitches. */
export function moved(lowest, octaves) {
  const next = lowest + OCTAVE * octaves;
  return next >= 0 && next + LETTERS.length - 1 <= HIGHEST ? next : lowest;
}

/** Whether a pitch is a black key. */
export function isBlack(pitch) {
  return [1, 3, 6, 8, 10].includes(pitch % OCTAVE);
}

/**
 * Reads a MIDI message.
 *
 * @param {ArrayLike<number>} bytes
 * @returns {{act: "press" | "release", pitch: number} | {act: "pedal", down: boolean} |
 *     {act: "panic"} | null} null = it plays nothing. Velocities are not used.
 */
export function readMidi([status, data1, data2]) {
  const kind = status & 0xf0;
  if (kind === NOTE_ON && data2 > 0) return { act: "press", pitch: data1 };
  if (kind === NOTE_ON || kind === NOTE_OFF) return { act: "release", pitch: data1 };
  if (kind === CONTROL && data1 === PEDAL) return { act: "pedal", down: data2 >= 64 };
  if (kind === CONTROL && ALL_OFF.includes(data1)) return { act: "panic" };
  return null;
}
