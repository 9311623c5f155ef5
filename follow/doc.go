// Package follow follows the log: for read models and whoever else wants to know what happened. A Feed serves all
// followers of a process from one subscription. Run keeps read models at work, batch by batch, whatever breaks, on a
// Watermill router. Subscriber and Publisher are Watermill's, for whoever wants a message for each event.
// Outcomes tells requests that wait how their streams go on.
//
// Not here: what a follower does with events, and where it keeps how far it has come (projections).
package follow
