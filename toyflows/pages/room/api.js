return {
  Refused, METHODS, FLOWS, checked, course, whole, judged, ownFlow, Recorder, Grid, Walkers, Target,
  now, soFar, changes, dot, responsibilities, fillBits, streamKeys, normals, uniforms, pyFormat,
};
