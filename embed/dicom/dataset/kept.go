package dataset

// keptTags lists, in tag order, what Deidentified keeps of a data set and of
// the items of sequences that it keeps. Codes are kept in items of codeTags
// alone.
var keptTags = [...]Tag{
	0x00080008, // ImageType
	0x00080016, // SOPClassUID
	0x00080018, // SOPInstanceUID
	0x00080060, // Modality
	0x00080064, // ConversionType
	0x00080068, // PresentationIntentType
	0x00080100, // CodeValue
	0x00080102, // CodingSchemeDesignator
	0x00080104, // CodeMeaning
	0x00082218, // AnatomicRegionSequence
	0x00082220, // AnatomicRegionModifierSequence
	0x00089007, // FrameType
	0x00089205, // PixelPresentation
	0x00089206, // VolumetricProperties
	0x00180015, // BodyPartExamined
	0x00180050, // SliceThickness
	0x00180088, // SpacingBetweenSlices
	0x00181164, // ImagerPixelSpacing
	0x00182010, // NominalScannedPixelSpacing
	0x00185100, // PatientPosition
	0x00185101, // ViewPosition
	0x0020000D, // StudyInstanceUID
	0x0020000E, // SeriesInstanceUID
	0x00200011, // SeriesNumber
	0x00200012, // AcquisitionNumber
	0x00200013, // InstanceNumber
	0x00200020, // PatientOrientation
	0x00200032, // ImagePositionPatient
	0x00200037, // ImageOrientationPatient
	0x00200052, // FrameOfReferenceUID
	0x00200060, // Laterality
	0x00200062, // ImageLaterality
	0x00201041, // SliceLocation
	0x00209057, // InStackPositionNumber
	0x00209071, // FrameAnatomySequence
	0x00209072, // FrameLaterality
	0x00209111, // FrameContentSequence
	0x00209113, // PlanePositionSequence
	0x00209116, // PlaneOrientationSequence
	0x00209157, // DimensionIndexValues
	0x00280002, // SamplesPerPixel
	0x00280004, // PhotometricInterpretation
	0x00280006, // PlanarConfiguration
	0x00280008, // NumberOfFrames
	0x00280009, // FrameIncrementPointer
	0x00280010, // Rows
	0x00280011, // Columns
	0x00280012, // Planes
	0x00280030, // PixelSpacing
	0x00280034, // PixelAspectRatio
	0x00280100, // BitsAllocated
	0x00280101, // BitsStored
	0x00280102, // HighBit
	0x00280103, // PixelRepresentation
	0x00280106, // SmallestImagePixelValue
	0x00280107, // LargestImagePixelValue
	0x00280108, // SmallestPixelValueInSeries
	0x00280109, // LargestPixelValueInSeries
	0x00280120, // PixelPaddingValue
	0x00280121, // PixelPaddingRangeLimit
	0x00280122, // FloatPixelPaddingValue
	0x00280123, // DoubleFloatPixelPaddingValue
	0x00280124, // FloatPixelPaddingRangeLimit
	0x00280125, // DoubleFloatPixelPaddingRangeLimit
	0x00280301, // BurnedInAnnotation
	0x00280302, // RecognizableVisualFeatures
	0x00281040, // PixelIntensityRelationship
	0x00281041, // PixelIntensityRelationshipSign
	0x00281050, // WindowCenter
	0x00281051, // WindowWidth
	0x00281052, // RescaleIntercept
	0x00281053, // RescaleSlope
	0x00281054, // RescaleType
	0x00281056, // VOILUTFunction
	0x00281101, // RedPaletteColorLookupTableDescriptor
	0x00281102, // GreenPaletteColorLookupTableDescriptor
	0x00281103, // BluePaletteColorLookupTableDescriptor
	0x00281104, // AlphaPaletteColorLookupTableDescriptor
	0x00281201, // RedPaletteColorLookupTableData
	0x00281202, // GreenPaletteColorLookupTableData
	0x00281203, // BluePaletteColorLookupTableData
	0x00281204, // AlphaPaletteColorLookupTableData
	0x00281221, // SegmentedRedPaletteColorLookupTableData
	0x00281222, // SegmentedGreenPaletteColorLookupTableData
	0x00281223, // SegmentedBluePaletteColorLookupTableData
	0x00281224, // SegmentedAlphaPaletteColorLookupTableData
	0x00281300, // BreastImplantPresent
	0x00281350, // PartialView
	0x00282110, // LossyImageCompression
	0x00282112, // LossyImageCompressionRatio
	0x00282114, // LossyImageCompressionMethod
	0x00283000, // ModalityLUTSequence
	0x00283002, // LUTDescriptor
	0x00283004, // ModalityLUTType
	0x00283006, // LUTData
	0x00283010, // VOILUTSequence
	0x00289110, // PixelMeasuresSequence
	0x00289132, // FrameVOILUTSequence
	0x00289145, // PixelValueTransformationSequence
	0x00480006, // TotalPixelMatrixColumns
	0x00480007, // TotalPixelMatrixRows
	0x0048021A, // PlanePositionSlideSequence
	0x0048021E, // ColumnPositionInTotalImagePixelMatrix
	0x0048021F, // RowPositionInTotalImagePixelMatrix
	0x00540220, // ViewCodeSequence
	0x00540222, // ViewModifierCodeSequence
	0x20500020, // PresentationLUTShape
	0x52009229, // SharedFunctionalGroupsSequence
	0x52009230, // PerFrameFunctionalGroupsSequence
	0x7FE00001, // ExtendedOffsetTable
	0x7FE00002, // ExtendedOffsetTableLengths
	0x7FE00008, // FloatPixelData
	0x7FE00009, // DoubleFloatPixelData
	0x7FE00010, // PixelData
}

// codeTags lists the kept sequences whose items are codes (PS3.3 8.8).
var codeTags = [...]Tag{
	0x00082218, // AnatomicRegionSequence
	0x00082220, // AnatomicRegionModifierSequence
	0x00540220, // ViewCodeSequence
	0x00540222, // ViewModifierCodeSequence
}

// emptied lists the attributes of type 2 that Deidentified writes, empty unless
// they are kept.
var emptied = [...]Tag{
	0x00080020, // StudyDate
	0x00080030, // StudyTime
	0x00080050, // AccessionNumber
	0x00080070, // Manufacturer
	0x00080090, // ReferringPhysicianName
	0x00100010, // PatientName
	0x00100020, // PatientID
	0x00100030, // PatientBirthDate
	0x00100040, // PatientSex
	0x00200010, // StudyID
	0x00200011, // SeriesNumber
	0x00200013, // InstanceNumber
}
