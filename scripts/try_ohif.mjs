// Run the code of MONAI Label's OHIF extension, as its package ships it, against `radsam serve`.
//
// The extension's bundle is loaded with stand-ins for React, cornerstone and OHIF's services; its own panel, client and
// NRRD reader do the rest: connect, send clicks, unpack the mask, merge it into the viewer's label map. Each step prints
// a line of JSON, and the label map is written as raw bytes, for `try_ohif.py` to compare.
//
//   node try_ohif.mjs BUNDLE.js SERVER_URL SERIES_UID I,J,K I,J,K OUT.bin
//
// The first click starts the object, the second one takes away ("background").
import fs from 'node:fs';
import vm from 'node:vm';
import axios from 'axios';
import nrrd from 'nrrd-js';
import pako from 'pako';

const [bundle, url, series, first, second, out] = process.argv.slice(2);
const voxel = (text) => text.split(',').map(Number);
const say = (what) => console.log(JSON.stringify(what));
const quiet = { ...console, log() {}, debug() {} };

// Anything that only draws: every property is itself, every call gives it.
const anything = new Proxy(function () {}, {
  get: (_, key) => (key === Symbol.toPrimitive ? () => '' : anything),
  apply: () => anything,
});
class Component {
  constructor(props) {
    this.props = props;
  }
  setState(change) {
    Object.assign(this.state, change);
  }
}
const react = {
  Component,
  createRef: () => ({ current: null }),
  createElement: (type, props, ...children) => ({ type, props: props ?? {}, children }),
};
const shown = [];
const notification = class {
  show(message) {
    shown.push(`${message.type}: ${message.message}`);
    return 1;
  }
  hide() {}
};

// The viewer: one volume on screen, one label map, clicks by label.
let clicks = [];
let labelmap = null;
let segments = {};
const manager = {
  saveAnnotations: () => ({
    frame: { ProbeMONAILabel: clicks.map((point) => ({ data: { handles: { points: [point] } } })) },
  }),
  removeAllAnnotations: () => {
    clicks = [];
  },
  restoreAnnotations: (saved) => {
    clicks = saved.frame.ProbeMONAILabel.map((each) => each.data.handles.points[0]);
  },
};
const viewport = { viewportId: 'one', displaySetInstanceUIDs: ['set'], viewportOptions: { toolGroupId: 'group' } };
const services = {
  uiNotificationService: new notification(),
  viewportGridService: { getState: () => ({ viewports: new Map([['one', viewport]]), activeViewportId: 'one' }) },
  displaySetService: { getDisplaySetByUID: () => ({ SeriesInstanceUID: series, numImageFrames: 1 }) },
  cornerstoneViewportService: {
    // The clicks below are voxels already.
    getViewportInfo: () => ({ viewportData: { data: [{ volume: { imageData: { worldToIndex: (point) => point } } }] } }),
    getRenderingEngine: () => ({ render() {} }),
  },
  toolGroupService: { setToolConfiguration() {} },
  segmentationService: {
    getSegmentations: () => ({ 0: { config: { segments } } }),
    getLabelmapVolume: () => ({
      voxelManager: {
        getCompleteScalarDataArray: () => labelmap,
        setCompleteScalarDataArray: (values) => {
          labelmap = values;
        },
      },
    }),
  },
};
const commands = {
  runCommand: (name, { segmentations }) => {
    if (name === 'loadSegmentationsForViewport') segments = segmentations[0].config.segments;
  },
};

// webpack's loader, as far as the bundle needs it. Modules are found by what the bundle calls them.
const source = fs.readFileSync(bundle, 'utf8');
const number = (name) => Number(source.match(new RegExp(`var ${name} = __webpack_require__\\((\\d+)\\)`))[1]);
const modules = {
  [number('react')]: react,
  [number('axios')]: axios,
  [number('nrrd')]: nrrd,
  [number('pako_esm')]: { Ay: pako },
  [number('src')]: { v4: notification, zo: anything },
  [number('esm')]: {
    annotation: { state: { getAnnotationManager: () => manager } },
    Enums: { SegmentationRepresentations: {}, Events: {} },
    ProbeTool: class {},
    segmentation: { config: { color: { setSegmentIndexColor() {} } } },
  },
  [number('dist_esm')]: { cache: { getVolume: () => null }, triggerEvent() {}, eventTarget: {}, Enums: { Events: {} } },
};
const load = (id) => modules[id] ?? anything;
Object.assign(load, {
  r() {},
  d: (exports, getters) => {
    for (const [key, get] of Object.entries(getters)) Object.defineProperty(exports, key, { get, enumerable: true });
  },
  n: (found) => Object.assign(() => found?.default ?? found, { a: found }),
});
const world = { self: {}, window: { snackbar: { hideAll() {} } }, console: quiet, URL, FormData, setTimeout() {}, document: anything };
vm.runInNewContext(source, Object.assign(world, { Uint8Array, Uint16Array, Map, Set, Math, Object, Array }));
const [[, factories]] = world.self.webpackChunk;
const exports = {};
Object.values(factories)[0]({}, exports, load);

// The panel, as OHIF makes it; `find` looks for a component in what it draws.
const [panelModule] = exports.default.getPanelModule({ commandsManager: commands, servicesManager: { services } });
const made = panelModule.component();
const panel = new made.type(made.props);
const find = (node, name) =>
  !node || typeof node !== 'object'
    ? undefined
    : node.type?.name === name
      ? node
      : (node.children ?? []).flat().reduce((found, child) => found ?? find(child, name), undefined);

await panel.onInfo(url);
if (!panel.state.isDataReady) throw new Error(`Not connected: ${shown.at(-1)}`);
say({ step: 'connected', name: panel.state.info.data.name, models: panel.state.info.models });

const tab = find(panel.render(), 'PointPrompts');
const points = new tab.type(tab.props);
const [columns, rows, slices] = process.env.SHAPE.split(',').map(Number);
labelmap = new Uint8Array(columns * rows * slices);

async function run(step) {
  shown.length = 0;
  await points.onRunInference();
  const index = Object.values(segments).find((each) => each.label === 'liver').segmentIndex;
  say({ step, messages: shown, voxels: labelmap.reduce((sum, each) => sum + (each === index), 0), index });
  fs.writeFileSync(`${out}.${step}`, labelmap.map((each) => (each === index ? 1 : 0)));
}

points.onSelectModel(panel.state.info.models.find((each) => each === 'radsam'));
points.onChangeLabel('liver');
clicks = [voxel(first)];
await run('click');
points.onChangeLabel('background');
clicks = [voxel(second)];
points.onChangeLabel('liver');
await run('correction');
