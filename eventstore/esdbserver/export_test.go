package esdbserver

// Stride lies between the positions of two events.
const Stride = stride
