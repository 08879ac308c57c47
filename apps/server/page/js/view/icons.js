/** The page's icons, as SVG. */

const line = (shape) => `<svg class="line" viewBox="0 0 20 20" aria-hidden="true">${shape}</svg>`;
const solid = (shape) => `<svg viewBox="0 0 20 20" aria-hidden="true">${shape}</svg>`;

export const PLAY = solid('<path d="M6 3.6v12.8a1 1 0 0 0 1.5.870l10.4-6.4a1 1 0 0 0 0-1.74L7.5 2.73A1 1 0 0 0 6 3.6Z"/>');
export const PAUSE = solid('<rect x="4.5" y="3" width="3.8" height="14" rx="1.2"/><rect x="11.7" y="3" width="3.8" height="14" rx="1.2"/>');
export const CLOSE = line('<path d="m5.5 5.5 9 9m0-9-9 9"/>');
export const DICE = line('<rect x="3.5" y="3.5" width="13" height="13" rx="3"/><path d="M7.3 7.3h.01M12.7 12.7h.01M10 10h.01"/>');
export const SUN = line('<circle cx="10" cy="10" r="3.3"/><path d="M10 2.5v1.5m0 12v1.5M2.5 10H4m12 0h1.5M4.7 4.7l1 1m8.6 8.6 1 1m0-10.6-1 1m-8.6 8.6-1 1"/>');
export const MOON = line('<path d="M16.5 11.8A6.8 6.8 0 0 1 8.2 3.5a6.8 6.8 0 1 0 8.3 8.3Z"/>');
export const SYSTEM = line('<circle cx="10" cy="10" r="6.5"/><path d="M10 3.5v13a6.5 6.5 0 0 0 0-13Z" fill="currentColor"/>');
