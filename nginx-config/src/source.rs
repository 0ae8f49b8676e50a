//! Files to one tree: each directive is checked as it is read, and what is included put in its place.

use std::{
    collections::HashSet,
    fs, io,
    path::{Component, Path, PathBuf},
    sync::Arc,
};

use glob::MatchOptions;

use crate::{
    check,
    directives::{Context, Effect, Kind},
    error::{ConfigNote, Error, Position},
    syntax::{Directive, Item, Parser},
};

/// How many files may include each other in a row.
const MAX_DEPTH: usize = 32;

/// One file of a configuration, as it was read.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct SourceFile {
    /// Its name, as it was opened.
    pub name: Arc<str>,
    /// Its bytes.
    pub text: Vec<u8>,
}

/// The checked directives of a configuration, included ones in their places, and the files they come from.
pub(crate) struct Source {
    pub(crate) tree: Vec<Directive>,
    pub(crate) files: Vec<SourceFile>,
    /// The folder of the main file.
    pub(crate) folder: PathBuf,
    /// Names without effect, each once: what is noted of them.
    pub(crate) notes: Vec<ConfigNote>,
}

impl SourceFile {
    /// A file with this name and these bytes.
    #[must_use]
    pub fn new(name: impl Into<Arc<str>>, text: Vec<u8>) -> Self {
        Self { name: name.into(), text }
    }
}

impl Source {
    /// Reads the main file and what it includes, behind `globals`.
    pub(crate) fn read(path: &Path, globals: &str) -> Result<Self, Error> {
        let text = fs::read(path).map_err(|error| Error::unreadable(path, &error, None))?;
        Self::expand(path, text, globals)
    }

    /// Parses `text` as the main file of this name, behind `globals`, and reads what it includes.
    pub(crate) fn expand(path: &Path, text: Vec<u8>, globals: &str) -> Result<Self, Error> {
        Self::of(path, text, globals, Files::OfTheSystem)
    }

    /// Parses the main file of this name, and what it includes, all of which was read before.
    pub(crate) fn given(path: &Path, files: &[SourceFile], globals: &str) -> Result<Self, Error> {
        let files = Files::Given(files);
        let text = files.read(path).map_err(|error| Error::unreadable(path, &error, None))?;
        Self::of(path, text, globals, files)
    }

    fn of(path: &Path, text: Vec<u8>, globals: &str, source: Files<'_>) -> Result<Self, Error> {
        let folder = path.parent().map(Path::to_owned).unwrap_or_default();
        let mut reader = Reader {
            source,
            folder,
            files: Vec::new(),
            open: Vec::new(),
            without_effect: HashSet::new(),
            notes: Vec::new(),
        };
        let mut tree = Vec::new();
        let main = Inside::Block(Context::Main);
        reader.level(&mut Parser::new(&COMMAND_LINE.into(), globals.as_bytes()), main, &mut tree)?;
        reader.file(path, text, main, &mut tree)?;
        Ok(Self { tree, files: reader.files, folder: reader.folder, notes: reader.notes })
    }
}

/// What messages call directives that stand in no file.
const COMMAND_LINE: &str = "command line";

/// Where directives are read.
#[derive(Clone, Copy)]
enum Inside {
    Block(Context),
    /// Pairs of words, which mean something to their block only.
    Pairs,
}

/// Where files are read.
#[derive(Clone, Copy)]
enum Files<'f> {
    OfTheSystem,
    /// All that there are.
    Given(&'f [SourceFile]),
}

struct Reader<'f> {
    source: Files<'f>,
    /// What relative names of included files are relative to.
    folder: PathBuf,
    files: Vec<SourceFile>,
    /// The files that include the current one, and itself.
    open: Vec<PathBuf>,
    /// The names without effect that have been met.
    without_effect: HashSet<&'static str>,
    notes: Vec<ConfigNote>,
}

impl Reader<'_> {
    /// Reads a whole file, its directives behind those of `siblings`.
    fn file(
        &mut self,
        path: &Path,
        text: Vec<u8>,
        inside: Inside,
        siblings: &mut Vec<Directive>,
    ) -> Result<(), Error> {
        let name: Arc<str> = path.display().to_string().into();
        if !self.files.iter().any(|file| file.name == name) {
            self.files.push(SourceFile { name: Arc::clone(&name), text: text.clone() });
        }
        self.open.push(identity(path));
        self.level(&mut Parser::new(&name, &text), inside, siblings)?;
        self.open.pop();
        Ok(())
    }

    /// Reads up to the end of a block, or of a file.
    fn level(
        &mut self,
        parser: &mut Parser<'_>,
        inside: Inside,
        siblings: &mut Vec<Directive>,
    ) -> Result<(), Error> {
        loop {
            let (mut directive, opens) = match parser.next()? {
                Item::Simple(directive) => (directive, false),
                Item::Open(directive) => (directive, true),
                Item::Close | Item::End => return Ok(()),
            };
            if directive.name.text == "include" && !opens {
                self.include(&directive, inside, siblings)?;
                continue;
            }
            let below = self.check(&mut directive, inside, siblings)?;
            if opens {
                self.level(parser, below, directive.block.get_or_insert_default())?;
            }
            siblings.push(directive);
        }
    }

    /// Checks a directive; says what its block, if it is one, holds.
    fn check(
        &mut self,
        directive: &mut Directive,
        inside: Inside,
        earlier: &[Directive],
    ) -> Result<Inside, Error> {
        let Inside::Block(context) = inside else {
            return match directive.block {
                None => Ok(inside),
                Some(_) => Err(Error::new(&directive.name.position, "unexpected \"{\"")
                    .hint("this block holds pairs, each ends in \";\"")),
            };
        };
        let row = check::check(directive, context, earlier)?;
        let why = match row.effect {
            Effect::None(why) => Some(why),
            Effect::RefusedUnlessOff(_) => Some("it is never on in this version"),
            Effect::Full | Effect::Content | Effect::Refused(_) => None,
        };
        if let Some(why) = why
            && self.without_effect.insert(row.name)
        {
            let message = format!("\"{}\" has no effect: {why}", row.name);
            self.notes.push(ConfigNote::new(&directive.name.position, message));
        }
        match row.kind {
            Kind::Block(context) => Ok(Inside::Block(context)),
            // As in nginx, the case of such a word is ignored.
            Kind::OneOf(_) | Kind::EachOf(_) => {
                directive.arguments.iter_mut().for_each(|word| word.text.make_ascii_lowercase());
                Ok(Inside::Pairs)
            }
            // The others have no block, or one of pairs.
            _ => Ok(Inside::Pairs),
        }
    }

    fn include(
        &mut self,
        directive: &Directive,
        inside: Inside,
        siblings: &mut Vec<Directive>,
    ) -> Result<(), Error> {
        // In a block of pairs, too, where it is the only word that means something.
        check::check(directive, Context::Main, &[])?;
        let name = directive.argument(0);
        for path in self.source.matching(self.folder.join(&name.text), &name.position)? {
            self.admit(&path, &name.position)?;
            let text = self
                .source
                .read(&path)
                .map_err(|error| Error::unreadable(&path, &error, Some(&name.position)))?;
            self.file(&path, text, inside, siblings)?;
        }
        Ok(())
    }

    fn admit(&self, path: &Path, position: &Position) -> Result<(), Error> {
        if self.open.contains(&identity(path)) {
            let message = format!("\"{}\" includes itself", path.display());
            return Err(Error::new(position, message).hint("remove one \"include\" of the circle"));
        }
        if self.open.len() > MAX_DEPTH {
            return Err(Error::new(position, "too many levels of \"include\""));
        }
        Ok(())
    }
}

impl Files<'_> {
    fn read(self, path: &Path) -> io::Result<Vec<u8>> {
        match self {
            Self::OfTheSystem => fs::read(path),
            Self::Given(files) => {
                let file = files.iter().find(|file| plain(Path::new(&*file.name)) == plain(path));
                file.map(|file| file.text.clone()).ok_or_else(|| io::ErrorKind::NotFound.into())
            }
        }
    }

    /// The path itself; of a mask, all files that match it, in order. A mask that nothing matches is fine.
    fn matching(self, path: PathBuf, position: &Position) -> Result<Vec<PathBuf>, Error> {
        let Some(mask) = path.to_str().filter(|path| path.contains(['*', '?', '['])) else {
            return Ok(vec![path]);
        };
        let options = MatchOptions {
            case_sensitive: true,
            require_literal_separator: true,
            require_literal_leading_dot: true,
        };
        let invalid = |error: glob::PatternError| {
            Error::new(position, format!("invalid mask \"{mask}\": {}", error.msg))
        };
        if let Self::Given(files) = self {
            let mask = glob::Pattern::new(&plain(Path::new(mask)).to_string_lossy()).map_err(invalid)?;
            let matches =
                |file: &&SourceFile| mask.matches_path_with(&plain(Path::new(&*file.name)), options);
            let matches = files.iter().filter(matches);
            let mut found: Vec<_> = matches.map(|file| PathBuf::from(&*file.name)).collect();
            found.sort();
            return Ok(found);
        }
        let found = glob::glob_with(mask, options).map_err(invalid)?;
        found
            .map(|entry| {
                entry.map_err(|error| Error::unreadable(error.path(), error.error(), Some(position)))
            })
            .collect()
    }
}

/// The path without the steps that lead nowhere, such as those in `./a/./b`.
fn plain(path: &Path) -> PathBuf {
    path.components().filter(|component| *component != Component::CurDir).collect()
}

/// The path that is the same whatever way a file is named.
fn identity(path: &Path) -> PathBuf {
    // A file that can't be found has no other name; opening it will say what is wrong.
    fs::canonicalize(path).unwrap_or_else(|_| path.to_owned())
}
