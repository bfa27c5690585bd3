// Package options turns the command line, mount(8)'s -o list and the
// environment into the settings of one mount.
//
// A setting comes from the first of: its flag, the -o list, the environment
// variable PAILFS_<FLAG> (dashes as underscores), the default.
package options
