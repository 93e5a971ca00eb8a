/**
 * A headline number: digits that change slide in from the direction the number moved in.
 *
 * The text is ordinary text, one element per character; only transform and opacity move, which costs the page nothing.
 */

import { setText } from '../shared/text';

const SLIDE_MS = 180;
/** A number that changes more often than this changes in place: digits that are always on their way cannot be read. */
const SLIDE_EVERY_MS = 300;

export class Headline {
  readonly #element: HTMLElement;
  readonly #still = matchMedia('(prefers-reduced-motion: reduce)');
  #text = '';
  #value: number | null = null;
  #slidAt_ms = Number.NEGATIVE_INFINITY;

  /** `element` holds nothing but this number from now on. */
  constructor(element: HTMLElement) {
    this.#element = element;
  }

  show(text: string, value: number | null): void {
    if (text === this.#text) {
      return;
    }
    const now_ms = performance.now();
    const slides = !this.#still.matches && now_ms - this.#slidAt_ms >= SLIDE_EVERY_MS;
    const up = !slides || value === null || this.#value === null ? 0 : Math.sign(value - this.#value);
    if (up !== 0) {
      this.#slidAt_ms = now_ms;
    }
    // Other digits than before in number stand elsewhere, so there is nothing to slide from.
    const sameShape = text.length === this.#text.length && this.#element.children.length === text.length;
    if (sameShape) {
      for (const [index, character] of [...text].entries()) {
        this.#change(this.#element.children[index] as HTMLElement, character, up);
      }
    } else {
      this.#element.replaceChildren(...[...text].map(characterElement));
    }
    this.#text = text;
    this.#value = value;
  }

  #change(element: HTMLElement, character: string, up: number): void {
    if (setText(element, character) && up !== 0) {
      const from = { transform: `translateY(${0.28 * up}em)`, opacity: 0.25 };
      element.animate([from, { transform: 'none', opacity: 1 }], { duration: SLIDE_MS, easing: 'ease-out' });
    }
  }
}

function characterElement(character: string): HTMLElement {
  const element = document.createElement('span');
  element.className = 'digit';
  element.textContent = character;
  return element;
}
