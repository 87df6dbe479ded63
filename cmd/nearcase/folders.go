package main

import (
	"fmt"
	"path/filepath"
)

// foldersConfig names the folders of this machine from which requests may have
// images ingested.
type foldersConfig struct {
	Allow []string `yaml:"allow,flow" env:"ALLOW"`
}

// byName returns the folders by the last part of their paths, which is what
// requests call them.
func (f foldersConfig) byName() map[string]string {
	named := map[string]string{}
	for _, path := range f.Allow {
		named[filepath.Base(path)] = path
	}
	return named
}

func (f foldersConfig) check() error {
	for _, path := range f.Allow {
		if !filepath.IsAbs(path) || filepath.Clean(path) != path || path == "/" {
			return fmt.Errorf("folders.allow has %q: use an absolute path, without . and .. and not the root", path)
		}
	}
	if len(f.byName()) < len(f.Allow) {
		return fmt.Errorf("folders.allow has two folders of one name in %q: the last part of the path is what requests call a folder", f.Allow)
	}
	return nil
}
