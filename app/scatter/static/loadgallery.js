// What Streamlit runs for the gallery; see loader.js.

export default async function (component) {
  const { code } = component.data;
  const { mountGallery } = await import(new URL(`${code}/gallery.js`, location.origin).href);
  return mountGallery(component);
}
