//! No two files of a crate import each other, directly or through others: each can be read without the rest.
//!
//! A file imports another one when it names something that the other defines, in a `use` or in a path. Handing a name
//! on (`pub use`) is no import, and neither is declaring a module; who uses a name that was handed on imports the file
//! that defines it. A file below a module is a part of it: what it takes from that module itself is no import, what its
//! siblings take from each other is. What is compiled for tests only isn't looked at.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

use syn::{Attribute, Item, UseTree, Visibility, visit::Visit};

const CRATES: [&str; 8] =
    ["core", "drive", "nginx-config", "demo", "server", "shell-tokio", "shell-async-std", "testkit"];

#[test]
fn no_file_imports_itself_through_others() {
    let mut circles = Vec::new();
    for name in CRATES {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(name).join("src");
        let roots = ["lib.rs", "main.rs"].into_iter().filter(|root| folder.join(root).is_file());
        for house in roots.map(|root| House::read(&folder, root)) {
            assert!(!house.modules.is_empty(), "{name} has modules");
            for circle in house.circles() {
                circles.push(format!("{name}/src:\n{}", house.describe(&circle)));
            }
        }
    }
    assert!(circles.is_empty(), "{} circles\n{}", circles.len(), circles.join("\n"));
}

#[test]
fn a_circle_is_found() {
    let folder = tempfile::tempdir().expect("a folder");
    let write = |name: &str, text: &str| {
        let path = folder.path().join(name);
        fs::create_dir_all(path.parent().expect("it has one")).expect("a folder");
        fs::write(path, text).expect("a file");
    };
    write("lib.rs", "mod a; mod b; mod c; pub use c::C;");
    write("a.rs", "mod inner; use crate::b::B; pub(crate) struct A(B); pub(crate) use inner::Inner;");
    write("a/inner.rs", "pub(crate) struct Inner;");
    write(
        "b.rs",
        "use crate::C; pub(crate) struct B; fn f(_: C) {} #[cfg(test)] mod tests { use crate::d::D; }",
    );
    write("c.rs", "pub struct C; fn g() { let _ = crate::a::A::new(); }");
    let house = House::read(folder.path(), "lib.rs");
    assert_eq!(house.circles(), [["a.rs", "b.rs", "c.rs"].map(PathBuf::from).to_vec()]);
    write("c.rs", "pub struct C; fn g() { let _ = crate::a::Inner; }");
    assert_eq!(House::read(folder.path(), "lib.rs").circles(), Vec::<Vec<PathBuf>>::new());
}

/// A module: where it is, what it defines, and which names it has from elsewhere.
#[derive(Default)]
struct Module {
    file: PathBuf,
    /// Modules by their names.
    children: BTreeSet<String>,
    defines: BTreeSet<String>,
    /// Names that stand for a path, a private import or one that is handed on.
    names: BTreeMap<String, Vec<String>>,
    /// Modules all of whose names are here, too.
    globs: Vec<Vec<String>>,
    /// Paths that are named, but for those that are only handed on.
    paths: Vec<Vec<String>>,
}

/// The files of a crate and who imports whom.
struct House {
    /// By the path of the module, without `crate`.
    modules: BTreeMap<Vec<String>, Module>,
    imports: BTreeMap<PathBuf, BTreeMap<PathBuf, BTreeSet<String>>>,
}

impl House {
    /// The crate that begins with this file.
    fn read(folder: &Path, root: &str) -> Self {
        let mut house = Self { modules: BTreeMap::new(), imports: BTreeMap::new() };
        house.read_file(folder, Path::new(root), Path::new(""), &[]);
        house.connect();
        house
    }

    fn read_file(&mut self, folder: &Path, file: &Path, children: &Path, path: &[String]) {
        let text = fs::read_to_string(folder.join(file)).unwrap_or_else(|error| panic!("{file:?}: {error}"));
        let syntax = syn::parse_file(&text).unwrap_or_else(|error| panic!("{file:?}: {error}"));
        if !is_for_tests(&syntax.attrs) {
            self.read_items(folder, file, children, path, &syntax.items);
        }
    }

    fn read_items(&mut self, folder: &Path, file: &Path, children: &Path, path: &[String], items: &[Item]) {
        let mut module = Module { file: file.to_owned(), ..Module::default() };
        for item in items {
            if is_for_tests(attributes(item)) {
                continue;
            }
            if let Some(name) = defined(item) {
                module.defines.insert(name);
            }
            match item {
                Item::Mod(inner) => {
                    let name = inner.ident.to_string();
                    let below = [path, std::slice::from_ref(&name)].concat();
                    module.children.insert(name.clone());
                    match &inner.content {
                        Some((_, items)) => {
                            self.read_items(folder, file, &children.join(&name), &below, items);
                        }
                        None => {
                            let flat = children.join(format!("{name}.rs"));
                            let nested = children.join(&name).join("mod.rs");
                            let file = if folder.join(&flat).is_file() { flat } else { nested };
                            self.read_file(folder, &file, &children.join(&name), &below);
                        }
                    }
                }
                Item::Use(import) => {
                    let handed_on = !matches!(import.vis, Visibility::Inherited);
                    flatten(&import.tree, &mut Vec::new(), &mut |path, name| {
                        match name {
                            Some(name) => _ = module.names.insert(name, path.clone()),
                            None => module.globs.push(path.clone()),
                        }
                        if !handed_on {
                            module.paths.push(path);
                        }
                    });
                }
                other => Paths(&mut module.paths).visit_item(other),
            }
        }
        self.modules.insert(path.to_vec(), module);
    }

    fn connect(&mut self) {
        let mut imports = BTreeMap::<PathBuf, BTreeMap<PathBuf, BTreeSet<String>>>::new();
        for (at, module) in &self.modules {
            for path in &module.paths {
                let Some((home, name)) = self.definition(at, path, 0) else { continue };
                let file = &self.modules[&home].file;
                if *file != module.file && !at.starts_with(&home) {
                    let from = imports.entry(module.file.clone()).or_default();
                    from.entry(file.clone()).or_default().insert(name);
                }
            }
        }
        self.imports = imports;
    }

    /// The module that defines what the path leads to, and its name there.
    fn definition(&self, at: &[String], path: &[String], depth: usize) -> Option<(Vec<String>, String)> {
        if depth > 16 {
            return None;
        }
        let mut here = at.to_vec();
        for (index, segment) in path.iter().enumerate() {
            let module = self.modules.get(&here)?;
            match segment.as_str() {
                "crate" => here = Vec::new(),
                "self" => {}
                "super" => _ = here.pop(),
                name if module.children.contains(name) => here.push(name.to_owned()),
                name if module.defines.contains(name) => return Some((here, name.to_owned())),
                name => {
                    let rest = &path[index + 1..];
                    if let Some(target) = module.names.get(name) {
                        // A name that stands for itself is another crate's.
                        let longer = [target.as_slice(), rest].concat();
                        return (longer != path)
                            .then(|| self.definition(&here, &longer, depth + 1))
                            .flatten();
                    }
                    return module.globs.iter().find_map(|glob| {
                        let longer = [glob.as_slice(), &path[index..]].concat();
                        self.definition(&here, &longer, depth + 1)
                    });
                }
            }
        }
        // The path leads to a module; its names are followed where they are used.
        None
    }

    /// Files that import each other, each group in order.
    fn circles(&self) -> Vec<Vec<PathBuf>> {
        let reach: BTreeMap<&PathBuf, BTreeSet<&PathBuf>> =
            self.imports.keys().map(|file| (file, self.reached_from(file))).collect();
        let together = |a: &PathBuf, b: &PathBuf| {
            reach.get(a).is_some_and(|files| files.contains(b))
                && reach.get(b).is_some_and(|files| files.contains(a))
        };
        let mut circles: Vec<Vec<PathBuf>> = Vec::new();
        for file in self.imports.keys().filter(|file| together(file, file)) {
            match circles.iter_mut().find(|circle| together(&circle[0], file)) {
                Some(circle) => circle.push(file.clone()),
                None => circles.push(vec![file.clone()]),
            }
        }
        circles
    }

    fn reached_from(&self, file: &PathBuf) -> BTreeSet<&PathBuf> {
        let mut reached = BTreeSet::new();
        let mut open = vec![file];
        while let Some(file) = open.pop() {
            for next in self.imports.get(file).into_iter().flatten().map(|(file, _)| file) {
                if reached.insert(next) {
                    open.push(next);
                }
            }
        }
        reached
    }

    fn describe(&self, circle: &[PathBuf]) -> String {
        let mut lines = Vec::new();
        for from in circle {
            for (to, names) in self.imports.get(from).into_iter().flatten() {
                if circle.contains(to) {
                    let names: Vec<&str> = names.iter().map(String::as_str).collect();
                    lines.push(format!(
                        "  {} takes {} of {}",
                        from.display(),
                        names.join(", "),
                        to.display()
                    ));
                }
            }
        }
        lines.join("\n")
    }
}

/// Collects paths as they stand in types, expressions, patterns and attributes of derive macros.
struct Paths<'a>(&'a mut Vec<Vec<String>>);

impl<'ast> Visit<'ast> for Paths<'_> {
    fn visit_path(&mut self, path: &'ast syn::Path) {
        // A single word is a local name, or one that a `use` has brought.
        if path.leading_colon.is_none() && path.segments.len() > 1 {
            self.0.push(path.segments.iter().map(|segment| segment.ident.to_string()).collect());
        }
        syn::visit::visit_path(self, path);
    }

    fn visit_item_use(&mut self, import: &'ast syn::ItemUse) {
        flatten(&import.tree, &mut Vec::new(), &mut |path, _| self.0.push(path));
    }

    /// Functions for tests among methods.
    fn visit_impl_item_fn(&mut self, function: &'ast syn::ImplItemFn) {
        if !is_for_tests(&function.attrs) {
            syn::visit::visit_impl_item_fn(self, function);
        }
    }
}

/// The paths of an import with the name that each has here; no name for all names of a module.
fn flatten(tree: &UseTree, front: &mut Vec<String>, found: &mut impl FnMut(Vec<String>, Option<String>)) {
    let with = |front: &[String], name: &syn::Ident| match name.to_string().as_str() {
        "self" => front.to_vec(),
        name => [front, &[name.to_owned()]].concat(),
    };
    match tree {
        UseTree::Path(path) => {
            front.push(path.ident.to_string());
            flatten(&path.tree, front, found);
            front.pop();
        }
        UseTree::Name(name) => {
            let path = with(front, &name.ident);
            let last = path.last().cloned();
            found(path, last);
        }
        UseTree::Rename(rename) => found(with(front, &rename.ident), Some(rename.rename.to_string())),
        UseTree::Glob(_) => found(front.clone(), None),
        UseTree::Group(group) => {
            for tree in &group.items {
                flatten(tree, front, found);
            }
        }
    }
}

fn is_for_tests(attributes: &[Attribute]) -> bool {
    attributes.iter().any(|attribute| {
        let is_test = |list: &syn::MetaList| {
            let tokens = list.tokens.to_string();
            list.path.is_ident("cfg") && (tokens == "test" || tokens.starts_with("all (test"))
        };
        attribute.meta.require_list().is_ok_and(is_test)
    })
}

fn attributes(item: &Item) -> &[Attribute] {
    match item {
        Item::Const(item) => &item.attrs,
        Item::Enum(item) => &item.attrs,
        Item::Fn(item) => &item.attrs,
        Item::Impl(item) => &item.attrs,
        Item::Macro(item) => &item.attrs,
        Item::Mod(item) => &item.attrs,
        Item::Static(item) => &item.attrs,
        Item::Struct(item) => &item.attrs,
        Item::Trait(item) => &item.attrs,
        Item::Type(item) => &item.attrs,
        Item::Use(item) => &item.attrs,
        _ => &[],
    }
}

fn defined(item: &Item) -> Option<String> {
    let name = match item {
        Item::Const(item) => &item.ident,
        Item::Enum(item) => &item.ident,
        Item::Fn(item) => &item.sig.ident,
        Item::Static(item) => &item.ident,
        Item::Struct(item) => &item.ident,
        Item::Trait(item) => &item.ident,
        Item::Type(item) => &item.ident,
        Item::Union(item) => &item.ident,
        _ => return None,
    };
    Some(name.to_string())
}
