// Package floors has nothing in it but the test that keeps the house in order: who may import whom.
package floors
