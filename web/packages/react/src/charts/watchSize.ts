/**
 * The size of an element, in CSS pixels without padding, told when it is known and whenever it changes.
 *
 * It is told once the page has been laid out anyway: asking an element for its size while the page is being built makes the browser lay
 * out everything for each picture that asks.
 */

export function watchSize(element: Element, told: (width: number, height: number) => void): ResizeObserver {
  const observer = new ResizeObserver((entries) => {
    const size = entries.at(-1)?.contentRect;
    if (size !== undefined) {
      told(Math.round(size.width), Math.round(size.height));
    }
  });
  observer.observe(element);
  return observer;
}
