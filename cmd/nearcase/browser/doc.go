// Package browser holds the page to what its readers do: the tests drive a real
// Chromium through the program itself, with the built-in network and real images.
// They skip where there is no Chromium.
package browser
