// What Streamlit runs. It is given as text, so it cannot import its neighbours by relative names:
// it imports them by the address that comes with the data, and hands everything on.

export default async function (component) {
  const { code } = component.data;
  const { mount } = await import(new URL(`${code}/main.js`, location.origin).href);
  return mount(component);
}
