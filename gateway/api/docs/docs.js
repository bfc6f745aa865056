// Shows openapi.json as a page. Text goes in as text, never as markup.
'use strict';

const make = (tag, props = {}, ...children) => {
  const node = Object.assign(document.createElement(tag), props);
  node.append(...children.filter((child) => child !== undefined && child !== null));
  return node;
};

const follow = (doc, value) => {
  if (!value || !value.$ref) return value;
  return value.$ref.slice(2).split('/').reduce((at, step) => at[step], doc);
};

// `code` and **bold** within a line, paragraphs, and tables of | cells |.
const inline = (text) => text.split(/(`[^`]+`|\*\*[^*]+\*\*)/).map((piece) => {
  if (piece.startsWith('`')) return make('code', {}, piece.slice(1, -1));
  if (piece.startsWith('**')) return make('strong', {}, ...inline(piece.slice(2, -2)));
  return piece;
});
const cells = (line) => line.split('|').slice(1, -1).map((cell) => cell.trim());
const prose = (text = '') => text.trim().split(/\n\n+/).filter(Boolean).map((block) => {
  if (!block.startsWith('|')) return make('p', {}, ...inline(block.replace(/\n/g, ' ')));
  const [head, , ...rows] = block.split('\n');
  const row = (tag) => (line) => make('tr', {},
    ...cells(line).map((cell) => make(tag, {}, ...inline(cell))));
  return make('table', {}, row('th')(head), ...rows.map(row('td')));
});

// A schema in a few words, with links to the named ones.
const typeOf = (doc, schema = {}) => {
  if (schema.$ref) {
    const name = schema.$ref.split('/').pop();
    return [make('a', { href: `#schema-${name}` }, name)];
  }
  const several = schema.oneOf || schema.allOf;
  if (several)
    return several.flatMap((one, i) => (i ? [schema.oneOf ? ' or ' : ' and '] : [])
      .concat(typeOf(doc, one)));
  if (schema.const !== undefined) return [make('code', {}, JSON.stringify(schema.const))];
  if (schema.enum) return [schema.enum.join(', ')];
  if (schema.type === 'array') return ['list of ', ...typeOf(doc, schema.items)];
  return [[].concat(schema.type ?? 'any').join(' or ')];
};
const bounds = (schema = {}) => [
  ['minimum', 'at least'], ['maximum', 'at most'], ['minLength', 'at least'],
  ['maxLength', 'length at most'], ['maxItems', 'at most'], ['default', 'default'],
].filter(([key]) => schema[key] !== undefined).map(([key, say]) => `${say} ${schema[key]}`).join(', ');

const fields = (doc, schema) => {
  const rows = Object.entries(schema.properties ?? {}).map(([name, field]) => make('tr', {},
    make('td', {}, make('code', {}, name)),
    make('td', {}, ...typeOf(doc, field)),
    make('td', {}, [schema.required?.includes(name) ? 'required' : '', bounds(field)]
      .filter(Boolean).join(', ')),
    make('td', {}, ...inline(field.description ?? ''))));
  return rows.length ? make('table', {}, ...rows) : null;
};

const operation = (doc, path, shared, method, op) => {
  const parameters = [...shared, ...(op.parameters ?? [])].map((p) => follow(doc, p));
  const body = op.requestBody?.content?.['application/json'];
  const example = body?.example ?? Object.values(body?.examples ?? {})[0]?.value;
  return make('article', { id: op.operationId }, make('details', {},
    make('summary', {}, make('span', { className: 'method' }, method.toUpperCase()),
      make('code', {}, path), ` ${op.summary}`),
    ...prose(op.description),
    parameters.length ? make('h4', {}, 'Parameters') : null,
    parameters.length ? make('table', {}, ...parameters.map((p) => make('tr', {},
      make('td', {}, make('code', {}, p.name)), make('td', {}, p.in),
      make('td', {}, ...typeOf(doc, p.schema)),
      make('td', {}, [p.required ? 'required' : '', bounds(p.schema)].filter(Boolean).join(', ')),
      make('td', {}, ...inline(p.description ?? ''))))) : null,
    body ? make('h4', {}, 'Body: ', ...typeOf(doc, body.schema)) : null,
    body && !body.schema.$ref ? fields(doc, body.schema) : null,
    example ? make('pre', {}, make('code', {}, JSON.stringify(example, null, 2))) : null,
    make('h4', {}, 'Answers'),
    make('table', {}, ...Object.entries(op.responses).map(([status, given]) => {
      const response = follow(doc, given);
      const kinds = Object.entries(response.content ?? {}).flatMap(([type, { schema }], i) =>
        [...(i ? [', or '] : []), ...typeOf(doc, schema), ` (${type})`]);
      return make('tr', {}, make('td', {}, make('code', {}, status)),
        make('td', {}, ...inline(response.description.trim())), make('td', {}, ...kinds));
    }))));
};

const show = (doc) => {
  const nav = make('ul');
  const main = document.getElementById('main');
  main.replaceChildren(...prose(doc.info.description));
  for (const tag of doc.tags) {
    main.append(make('h2', { id: `tag-${tag.name}` }, tag.name), ...prose(tag.description));
    for (const [path, item] of Object.entries(doc.paths)) {
      for (const method of ['get', 'post', 'put', 'patch', 'delete']) {
        const op = item[method];
        if (!op?.tags?.includes(tag.name)) continue;
        main.append(operation(doc, path, item.parameters ?? [], method, op));
        nav.append(make('li', {}, make('a', { href: `#${op.operationId}` }, op.summary)));
      }
    }
  }
  main.append(make('h2', {}, 'Schemas'));
  for (const [name, schema] of Object.entries(doc.components.schemas)) {
    main.append(make('article', { id: `schema-${name}` }, make('h3', {}, name),
      ...prose(schema.description),
      schema.properties ? null : make('p', { className: 'dim' }, ...typeOf(doc, schema)),
      fields(doc, schema)));
  }
  document.getElementById('nav').replaceChildren(nav);
  const open = () => {
    const target = document.getElementById(location.hash.slice(1));
    target?.querySelector('details')?.setAttribute('open', '');
    target?.scrollIntoView();
  };
  addEventListener('hashchange', open);
  open();
};

fetch('/openapi.json')
  .then((answer) => (answer.ok ? answer.json() : Promise.reject(new Error(answer.statusText))))
  .then(show)
  .catch((error) => {
    document.getElementById('main').textContent = `openapi.json could not be read: ${error.message}`;
  });
