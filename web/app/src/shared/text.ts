/** Text that changes many times a second: the node that is there gets other letters, which costs the page less than another node. */

/** Writes `text` into an element that holds nothing else. Returns whether it was another before. */
export function setText(element: Element, text: string): boolean {
  const node = element.firstChild;
  if (node instanceof Text && node.nextSibling === null) {
    const differs = node.data !== text;
    if (differs) {
      node.data = text;
    }
    return differs;
  }
  const differs = element.textContent !== text;
  if (differs) {
    element.textContent = text;
  }
  return differs;
}
