/**
 * A morph: how the listener and the prompts move, as keyframes of named tracks.
 *
 * A track is a list of {t_s, x, y} in order of time; between two of them a point moves in a
 * straight line, before the first and after the last it rests.
 */

import { clamp } from "./weights.js";

// Keyframes of one track stay this far apart, in seconds, so that each can be dragged.
export const CLOSEST_S = 0.05;
// How far a simplified track may be from the recorded one: less than a finger's width.
const TOLERANCE = 0.015;

/** The position of a track's point at a time; null for an empty track. */
export function placeAt(track, t_s) {
  if (!track.length) return null;
  const after = track.findIndex((key) => key.t_s > t_s);
  if (after === 0) return { x: track[0].x, y: track[0].y };
  if (after < 0) return { x: track.at(-1).x, y: track.at(-1).y };
  const [from, to] = [track[after - 1], track[after]];
  const part = (t_s - from.t_s) / (to.t_s - from.t_s);
  return { x: from.x + part * (to.x - from.x), y: from.y + part * (to.y - from.y) };
}

/** The time of the last keyframe of all tracks. */
export function length_s(tracks) {
  return Math.max(0, ...Object.values(tracks).map((track) => track.at(-1)?.t_s ?? 0));
}

/** A track with fewer keyframes and the same movement, within a tolerance. */
export function simplify(track, tolerance = TOLERANCE) {
  if (track.length < 3) return track;
  const ends = [track[0], track.at(-1)];
  let worst = 0;
  let error = 0;
  track.forEach((key, index) => {
    const place = placeAt(ends, key.t_s);
    const away = Math.hypot(key.x - place.x, key.y - place.y);
    if (away > error) [worst, error] = [index, away];
  });
  if (error <= tolerance) return ends;
  const left = simplify(track.slice(0, worst + 1), tolerance);
  return [...left, ...simplify(track.slice(worst), tolerance).slice(1)];
}

/** A keyframe moved in time, not past its neighbours. */
export function moveKey(track, index, t_s) {
  const least = index > 0 ? track[index - 1].t_s + CLOSEST_S : 0;
  const most = index < track.length - 1 ? track[index + 1].t_s - CLOSEST_S : Infinity;
  const moved = { ...track[index], t_s: clamp(t_s, least, Math.max(least, most)) };
  return track.with(index, moved);
}

/** A track without one of its keyframes. */
export function removeKey(track, index) {
  return track.toSpliced(index, 1);
}

/** A track with a keyframe at a time, in place of one that is too close to it. */
export function putKey(track, key) {
  const kept = track.filter((other) => Math.abs(other.t_s - key.t_s) >= CLOSEST_S);
  return [...kept, key].sort((a, b) => a.t_s - b.t_s);
}
