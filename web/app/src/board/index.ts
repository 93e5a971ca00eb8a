export { BoardPage } from './boardPage';
export { staleAfter_ms } from './freshness';
export { type GridHandles, type GridPlace, PanelGrid } from './grid';
export { type Notice, notice, parseSpan } from './notice';
export { LivePanel, PanelFrame } from './panel';
export { BODIES, type PanelBodyProps, type PanelSpan } from './panelBody';
export { ALL_NEW, AskedSource, PanelFeed, type PanelSource } from './source';
export { BoardThumbnail } from './thumbnail';
export { useBoard, useBoards } from './useBoard';
